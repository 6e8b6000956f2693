"""An application behind Sealpass, with Flask: what it does at login, on a request, at a change of roles, at logout."""

import json
import os
import urllib.request
from pathlib import Path
from urllib.parse import unquote

from flask import Flask, Response, redirect, request
from markupsafe import Markup

ORIGIN = os.environ.get("ORIGIN", "https://localhost:8443")
CONTROL = os.environ.get("CONTROL", "http://127.0.0.1:8081")
CREDENTIAL = Path("shop.credential").read_text().strip()

# Stands for your own table of users.
USERS = {
    "alice": {"password": "wonderland", "roles": ["editor"]},
    "müller": {"password": "mühle", "roles": []},
    "root": {"password": "toor", "roles": ["admin"]},
}
NOTES = []

app = Flask(__name__)


# At login: end the session that the visitor came with, and hand the cookie of the new one on.
@app.post("/login")
def log_in():
    if request.headers.get("Origin") != ORIGIN:
        return Response(status=403)  # somebody else's form
    name = request.form.get("user", "")
    user = USERS.get(name)
    if user is None or user["password"] != request.form.get("password"):
        return Response(LOGIN_PAGE, 401)
    replaces = {"cookie": request.headers.get("Cookie", "")}
    _, cookie = sealpass("/v1/sessions", subject=name, roles=user["roles"], amr=["pwd"], replaces=replaces)
    return to_account(cookie)


# The login page. Whoever comes with a session whose roles are out of date gets new ones, and has not to log in.
@app.get("/login")
def login_page():
    given = request.headers.get("Cookie", "")
    session, _ = sealpass("/v1/sessions/introspect", cookie=given)
    if not session["active"] or session["fresh"]:
        return LOGIN_PAGE
    _, cookie = sealpass("/v1/sessions/reseal", cookie=given, roles=USERS[session["subject"]]["roles"])
    return to_account(cookie)


# On a request: nginx has asked Sealpass, and the headers say who it is.
@app.get("/account")
def account():
    if request.headers.get("X-Session-Fresh") == "false":
        return redirect("/login", 303)
    page = Markup('<!doctype html><meta name="csrf-token" content="{}"><p id="who">{}</p><p id="roles">{}</p>')
    return page.format(request.headers["X-Session-Csrf"], subject(), request.headers.get("X-Session-Roles", ""))


@app.get("/reports")
def reports():
    return "for editors"  # nginx lets nobody else come here


# A form: without a CSRF token of this session, nginx has sent it away.
@app.post("/forms/note")
def note():
    NOTES.append({"by": subject(), "text": request.form["text"]})
    return NOTES[-1], 201


# At a change of roles: first your own table, then say that what the user's cookies say is out of date.
@app.post("/admin/roles")
def roles():
    user = request.form["user"]
    USERS[user]["roles"] = [role for role in request.form["roles"].split(",") if role]
    sealpass("/v1/subjects/stale", subject=user)
    return "", 204


# At logout the page posts to /logout, which Sealpass answers. Everywhere:
@app.post("/forms/log-out-everywhere")
def log_out_everywhere():
    sealpass("/v1/subjects/revoke", subject=subject())
    return "", 204


def to_account(cookie):
    return Response(status=303, headers={"Set-Cookie": cookie, "Location": "/account"})


def subject():
    return unquote(request.headers["X-Session-Subject"])


def sealpass(path, **body):
    """A call on the control listener. What is not done is an error, and the visitor sees a 500."""
    headers = {"Authorization": f"Bearer {CREDENTIAL}", "Content-Type": "application/json"}
    call = urllib.request.Request(CONTROL + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(call, timeout=5) as done:
        return json.loads(done.read() or "null"), done.headers["Set-Cookie"]


LOGIN_PAGE = (
    '<!doctype html><form method="post"><input name="user"><input name="password" type="password">'
    "<button>Log in</button></form>"
)

if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "3000")))  # for nginx alone
