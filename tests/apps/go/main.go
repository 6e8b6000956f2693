// An application behind Sealpass, in Go: what it does at login, on a request, at a change of roles, at logout.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	origin     = setting("ORIGIN", "https://localhost:8443")
	control    = setting("CONTROL", "http://127.0.0.1:8081")
	credential = read("shop.credential")
	client     = &http.Client{Timeout: 5 * time.Second}
)

type user struct {
	password string
	roles    []string
}

// Stands for your own table of users.
var (
	lock  sync.Mutex
	users = map[string]user{
		"alice":  {"wonderland", []string{"editor"}},
		"müller": {"mühle", []string{}},
		"root":   {"toor", []string{"admin"}},
	}
)

// At login: end the session that the visitor came with, and hand the cookie of the new one on.
func logIn(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != origin {
		w.WriteHeader(http.StatusForbidden) // somebody else's form
		return
	}
	name := r.PostFormValue("user")
	who, known := find(name)
	if !known || who.password != r.PostFormValue("password") {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, loginPage)
		return
	}
	_, cookie, err := sealpass("/v1/sessions", values{
		"subject": name, "roles": who.roles, "amr": []string{"pwd"},
		"replaces": values{"cookie": r.Header.Get("Cookie")},
	})
	toAccount(w, cookie, err)
}

// The login page. Whoever comes with a session whose roles are out of date gets new ones, and has not to log in.
func showLogin(w http.ResponseWriter, r *http.Request) {
	given := r.Header.Get("Cookie")
	session, _, err := sealpass("/v1/sessions/introspect", values{"cookie": given})
	if err != nil {
		failed(w, err)
		return
	}
	if session["active"] != true || session["fresh"] == true {
		io.WriteString(w, loginPage)
		return
	}
	who, _ := find(session["subject"].(string))
	_, cookie, err := sealpass("/v1/sessions/reseal", values{"cookie": given, "roles": who.roles})
	toAccount(w, cookie, err)
}

// On a request: nginx has asked Sealpass, and the headers say who it is.
func account(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Session-Fresh") == "false" {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	fmt.Fprintf(w, `<!doctype html><meta name="csrf-token" content="%s"><p id="who">%s</p><p id="roles">%s</p>`,
		r.Header.Get("X-Session-Csrf"), html.EscapeString(subject(r)), html.EscapeString(r.Header.Get("X-Session-Roles")))
}

func reports(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "for editors") // nginx lets nobody else come here
}

// A form: without a CSRF token of this session, nginx has sent it away.
func note(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(values{"by": subject(r), "text": r.PostFormValue("text")})
}

// At a change of roles: first your own table, then say that what the user's cookies say is out of date.
func changeRoles(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("user")
	who, _ := find(name)
	who.roles = strings.FieldsFunc(r.PostFormValue("roles"), func(c rune) bool { return c == ',' })
	lock.Lock()
	users[name] = who
	lock.Unlock()
	_, _, err := sealpass("/v1/subjects/stale", values{"subject": name})
	done(w, err)
}

// At logout the page posts to /logout, which Sealpass answers. Everywhere:
func logOutEverywhere(w http.ResponseWriter, r *http.Request) {
	_, _, err := sealpass("/v1/subjects/revoke", values{"subject": subject(r)})
	done(w, err)
}

func subject(r *http.Request) string {
	name, _ := url.PathUnescape(r.Header.Get("X-Session-Subject"))
	return name
}

type values map[string]any

// A call on the control listener: its answer, and the cookie to hand on.
func sealpass(path string, body values) (answer values, cookie string, err error) {
	sent, err := json.Marshal(body)
	if err != nil {
		return nil, "", err
	}
	call, err := http.NewRequest("POST", control+path, bytes.NewReader(sent))
	if err != nil {
		return nil, "", err
	}
	call.Header.Set("Authorization", "Bearer "+credential)
	call.Header.Set("Content-Type", "application/json")
	got, err := client.Do(call)
	if err != nil {
		return nil, "", err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err == nil && got.StatusCode >= 300 {
		err = fmt.Errorf("%s: %d %s", path, got.StatusCode, text)
	}
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &answer)
	}
	return answer, got.Header.Get("Set-Cookie"), err
}

func toAccount(w http.ResponseWriter, cookie string, err error) {
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("Set-Cookie", cookie)
	w.Header().Set("Location", "/account")
	w.WriteHeader(http.StatusSeeOther)
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		failed(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func failed(w http.ResponseWriter, err error) {
	log.Print(err)
	w.WriteHeader(http.StatusInternalServerError)
}

func find(name string) (user, bool) {
	lock.Lock()
	defer lock.Unlock()
	who, known := users[name]
	return who, known
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func read(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// One handler for each method of a path; any other method is 405.
func on(path string, handlers map[string]http.HandlerFunc) {
	http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if handle, known := handlers[r.Method]; known {
			handle(w, r)
			return
		}
		w.WriteHeader(http.StatusMethodNotAllowed)
	})
}

const loginPage = `<!doctype html><form method="post"><input name="user"><input name="password" type="password">` +
	`<button>Log in</button></form>`

func main() {
	on("/login", map[string]http.HandlerFunc{"GET": showLogin, "POST": logIn})
	on("/account", map[string]http.HandlerFunc{"GET": account})
	on("/reports", map[string]http.HandlerFunc{"GET": reports})
	on("/forms/note", map[string]http.HandlerFunc{"POST": note})
	on("/forms/log-out-everywhere", map[string]http.HandlerFunc{"POST": logOutEverywhere})
	on("/admin/roles", map[string]http.HandlerFunc{"POST": changeRoles})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+setting("PORT", "3000"), nil)) // for nginx alone
}
