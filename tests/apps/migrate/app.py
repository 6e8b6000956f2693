"""An application that leaves Django's sessions: those that it began before go on in Sealpass."""

import json
import os
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import unquote

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.management import execute_from_command_line
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import decorator_from_middleware
from django.utils.html import format_html
from django.views.decorators.http import require_POST

CONTROL = os.environ.get("CONTROL", "http://127.0.0.1:8081")
CREDENTIAL = Path("shop.credential").read_text().strip()

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["localhost"],
    APPEND_SLASH=False,
    SECRET_KEY="as it was",
    SESSION_ENGINE="django.contrib.sessions.backends.file",
    SESSION_FILE_PATH="before",
)


def roles_of(user):
    return ["admin"] if user == "root" else []  # stands for your own table


# As it was, out of MIDDLEWARE. Nothing but the two views below reads it any more.
before = decorator_from_middleware(SessionMiddleware)
ENDS = datetime.fromisoformat(os.environ.get("ENDS", "2027-03-01")).replace(tzinfo=timezone.utc)
COUNTED = {"carried": 0, "refused": 0}


# Whoever has no session of Sealpass is sent here: somebody new, or one of before.
@before
def login(request):
    user = request.session.get("_auth_user_id")
    if user is None or datetime.now(timezone.utc) >= ENDS:
        return HttpResponse(LOGIN_PAGE)
    old = {"key": request.session.session_key, "started_at": request.session["logged_in_at"]}
    whoever = {"subject": user, "roles": roles_of(user), "authenticated_at": old["started_at"]}
    status, cookie = sealpass("/v1/sessions", **whoever, **{"import": old})
    COUNTED["carried" if cookie else "refused"] += 1
    if status == 409:
        return HttpResponse(LOGIN_PAGE)  # ended in Sealpass, or older than it may get
    return HttpResponse(status=303, headers={"Set-Cookie": cookie, "Location": "/account"})


# A logout ends both, or the one of before would begin again what is over.
@require_POST
@before
def log_out(request):
    if request.headers.get("Sec-Fetch-Site") != "same-origin":
        return HttpResponse(status=403)
    sealpass("/v1/sessions/revoke", cookie=request.headers.get("Cookie", ""))
    request.session.flush()
    return HttpResponse(status=204)


# When nobody comes with one any more, or on the day it ends: the middleware and its store can go.
def counts(request):
    return JsonResponse({**COUNTED, "ends": ENDS.isoformat()})


def account(request):
    who, since = unquote(request.headers["X-Session-Subject"]), request.headers["X-Session-Auth-Time"]
    return HttpResponse(format_html('<p id="who">{}</p><p id="since">{}</p>', who, since))


# For the test: a login as it was. In yours it is gone, and the sessions are in the store.
@require_POST
@before
def log_in_as_before(request):
    request.session["_auth_user_id"] = request.POST["user"]
    request.session["logged_in_at"] = request.POST["loggedInAt"]
    return HttpResponse(status=204)


def sealpass(path, **body):
    headers = {"Authorization": f"Bearer {CREDENTIAL}", "Content-Type": "application/json"}
    call = urllib.request.Request(CONTROL + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(call, timeout=5) as done:
            return done.status, done.headers["Set-Cookie"]
    except urllib.error.HTTPError as refused:
        if refused.code != 409:
            raise
        return refused.code, None


LOGIN_PAGE = '<!doctype html><form method="post"><input name="user"></form>'

urlpatterns = [
    path("login", login),
    path("log-out", log_out),
    path("admin/before", counts),
    path("account", account),
    path("before", log_in_as_before),
]

if __name__ == "__main__":
    Path("before").mkdir(exist_ok=True)
    address = f"127.0.0.1:{os.environ.get('PORT', '3000')}"  # for nginx alone
    execute_from_command_line(["app", "runserver", "--noreload", address])
