// Building the page: elements whose text is text. Nothing here, or anywhere in the console, makes markup of a string.

export const $ = (id) => document.getElementById(id);

export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const pill = (kind, text) => el('span', `pill ${kind}`, text);
export const code = (text) => el('code', '', text);

/** Sets a text only if it is another one: what is selected stays selected, and no screen reader reads it twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

/** Shows a note with this text, or no note for an empty one. */
export function note(node, text) {
  setText(node, text);
  show(node, text !== '');
}

/** Says what something came to, of which kind that is, and by which id log and audit trail have it. */
export function result(node, kind, text, requestId = '') {
  node.className = `result ${kind}`;
  const lines = [text, requestId && el('div', 'small', 'Request ', code(requestId))];
  node.replaceChildren(...lines.filter(Boolean));
}

/** Puts these nodes there, unless they look as those that are there. */
export function fill(place, nodes) {
  const { childNodes } = place;
  const same = childNodes.length === nodes.length && nodes.every((node, at) => node.isEqualNode(childNodes[at]));
  if (!same) place.replaceChildren(...nodes);
}

/** Keeps a cell as it is while what it says stays the same. */
function setCell(cell, content) {
  // In one element, which a narrow screen puts beside the heading.
  const inside = el('span', '', ...[content].flat());
  if (inside.isEqualNode(cell.firstChild)) return;
  cell.replaceChildren(inside);
  cell.toggleAttribute('data-empty', inside.textContent === '–');
}

function row(at, parent, tag) {
  return parent.rows[at] ?? parent.appendChild(el(tag));
}

/**
 * Fills a table. `columns` are `[heading, class]`, `rows` lists of what stands in the cells: text, a node, or several.
 * Roles are spelt out because a narrow screen shows rows as blocks, by which browsers forget that it is a table.
 */
export function fillTable(table, caption, columns, rows) {
  if (!table.tHead) {
    table.setAttribute('role', 'table');
    table.append(el('caption', 'unseen', caption));
    const headings = columns.map(([heading, className]) => {
      const th = el('th', className, heading);
      th.scope = 'col';
      th.setAttribute('role', 'columnheader');
      return th;
    });
    const head = table.createTHead().appendChild(el('tr', '', ...headings));
    head.setAttribute('role', 'row');
    table.append(el('tbody'));
  }
  const body = table.tBodies[0];
  rows.forEach((cells, at) => {
    const line = row(at, body, 'tr');
    line.setAttribute('role', 'row');
    cells.forEach((content, column) => {
      const [heading, className] = columns[column];
      let cell = line.cells[column];
      if (!cell) {
        cell = line.appendChild(el(column ? 'td' : 'th', className));
        cell.dataset.label = heading;
        cell.setAttribute('role', column ? 'cell' : 'rowheader');
      }
      setCell(cell, content);
    });
  });
  while (body.rows.length > rows.length) body.deleteRow(-1);
}

/** Offers these values in a list, and keeps the choice. */
export function fillSelect(select, options) {
  const now = [...select.options].map(({ value, text }) => `${value}\n${text}`).join('\t');
  if (now === options.map((pair) => pair.join('\n')).join('\t')) return;
  const { value } = select;
  select.replaceChildren(...options.map(([value, text]) => Object.assign(el('option', '', text), { value })));
  if (options.some(([other]) => other === value)) select.value = value;
  select.dispatchEvent(new Event('change'));
}
