"""An application behind Sealpass, with Django: what it does at login, on a request, at a change of roles, at logout."""

import json
import os
import urllib.request
from pathlib import Path
from urllib.parse import unquote

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_http_methods, require_POST

ORIGIN = os.environ.get("ORIGIN", "https://localhost:8443")
CONTROL = os.environ.get("CONTROL", "http://127.0.0.1:8081")
CREDENTIAL = Path("shop.credential").read_text().strip()

# Without Django's own middleware for sessions and CSRF: Sealpass does both.
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["localhost"], APPEND_SLASH=False)

# Stands for your own table of users.
USERS = {
    "alice": {"password": "wonderland", "roles": ["editor"]},
    "müller": {"password": "mühle", "roles": []},
    "root": {"password": "toor", "roles": ["admin"]},
}
NOTES = []


# At login: end the session that the visitor came with, and hand the cookie of the new one on.
def log_in(request):
    if request.headers.get("Origin") != ORIGIN:
        return HttpResponse(status=403)  # somebody else's form
    name = request.POST.get("user", "")
    user = USERS.get(name)
    if user is None or user["password"] != request.POST.get("password"):
        return HttpResponse(LOGIN_PAGE, status=401)
    replaces = {"cookie": request.headers.get("Cookie", "")}
    _, cookie = sealpass("/v1/sessions", subject=name, roles=user["roles"], amr=["pwd"], replaces=replaces)
    return HttpResponse(status=303, headers={"Set-Cookie": cookie, "Location": "/account"})


# The login page. Whoever comes with a session whose roles are out of date gets new ones, and has not to log in.
def login_page(request):
    given = request.headers.get("Cookie", "")
    session, _ = sealpass("/v1/sessions/introspect", cookie=given)
    if not session["active"] or session["fresh"]:
        return HttpResponse(LOGIN_PAGE)
    roles = USERS[session["subject"]]["roles"]
    _, cookie = sealpass("/v1/sessions/reseal", cookie=given, roles=roles)
    return HttpResponse(status=303, headers={"Set-Cookie": cookie, "Location": "/account"})


@require_http_methods(["GET", "POST"])
def login(request):
    return log_in(request) if request.method == "POST" else login_page(request)


# On a request: nginx has asked Sealpass, and the headers say who it is.
@require_GET
def account(request):
    if request.headers.get("X-Session-Fresh") == "false":
        return HttpResponse(status=303, headers={"Location": "/login"})
    page = '<!doctype html><meta name="csrf-token" content="{}"><p id="who">{}</p><p id="roles">{}</p>'
    roles = request.headers.get("X-Session-Roles", "")
    return HttpResponse(format_html(page, request.headers["X-Session-Csrf"], subject(request), roles))


@require_GET
def reports(request):
    return HttpResponse("for editors")  # nginx lets nobody else come here


# A form: without a CSRF token of this session, nginx has sent it away.
@require_POST
def note(request):
    NOTES.append({"by": subject(request), "text": request.POST["text"]})
    return JsonResponse(NOTES[-1], status=201)


# At a change of roles: first your own table, then say that what the user's cookies say is out of date.
@require_POST
def roles(request):
    user = request.POST["user"]
    USERS[user]["roles"] = [role for role in request.POST["roles"].split(",") if role]
    sealpass("/v1/subjects/stale", subject=user)
    return HttpResponse(status=204)


# At logout the page posts to /logout, which Sealpass answers. Everywhere:
@require_POST
def log_out_everywhere(request):
    sealpass("/v1/subjects/revoke", subject=subject(request))
    return HttpResponse(status=204)


def subject(request):
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

urlpatterns = [
    path("login", login),
    path("account", account),
    path("reports", reports),
    path("forms/note", note),
    path("forms/log-out-everywhere", log_out_everywhere),
    path("admin/roles", roles),
]

if __name__ == "__main__":
    address = f"127.0.0.1:{os.environ.get('PORT', '3000')}"  # for nginx alone
    execute_from_command_line(["app", "runserver", "--noreload", address])
