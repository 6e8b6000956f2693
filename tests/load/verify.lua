-- What wrk sends and does with the answers: verify, again and again, with the cookies of sessions that are renewed.
--
--   wrk … -s verify.lua URL -- SESSIONS RENEWALS FIGURES
--
-- SESSIONS: a file with a line `ID TOKEN` for each session; a thread takes every n-th.
-- RENEWALS: where each thread writes a line `MS ID LENGTH TOKEN` for each new cookie, at once, in RENEWALS.INDEX.
-- FIGURES: where a line `NAME VALUE` is written for each figure, at the end.
--
-- Times are milliseconds of the system's clock. What it all means is judged by rotation.py.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, nanoseconds; } moment; int clock_gettime(int, moment *);")
local moment = ffi.new("moment")

local THREADS = 2
-- Milliseconds that a connection rests between an answer and the next request: a steady load, not the greatest.
local REST = 4

local threads = {}

function setup(thread)
    thread:set("index", #threads)
    table.insert(threads, thread)
end

-- From here on: once in each thread.

local sessions, by_id, place, renewals = {}, {}, 0, nil
answers, last_passed, last_passed_begun, first_refused, nameless = {}, 0, 0, 0, 0

local function now()
    ffi.C.clock_gettime(0, moment)
    return tonumber(moment.seconds) * 1000 + tonumber(moment.nanoseconds) / 1e6
end

function init(args)
    local number = 0
    for line in io.lines(args[1]) do
        local id, token = line:match("^(%S+) (%S+)$")
        if number % THREADS == index then
            local session = { id = id, token = token }
            table.insert(sessions, session)
            by_id[id] = session
        end
        number = number + 1
    end
    renewals = assert(io.open(args[2] .. "." .. index, "w"))
    renewals:setvbuf("line")
    figures = args[3]
    rehearsal = index == 0 -- wrk asks the first thread for one request that it does not send
end

function delay()
    return REST
end

-- One request of a session at a time: its answer names the session, so it is known when its request began.
local function idle_session()
    for _ = 1, #sessions do
        place = place % #sessions + 1
        if not sessions[place].begun then return sessions[place] end
    end
    -- Refusals name nobody. Who waits for an answer since then keeps the earlier time.
    for _, session in ipairs(sessions) do
        session.earlier, session.begun = session.begun, nil
    end
    return idle_session()
end

function request()
    local session = idle_session()
    if rehearsal then
        rehearsal = false
    else
        session.begun = session.earlier or now()
    end
    return "GET /verify/ HTTP/1.1\r\nHost: load\r\nCookie: __Host-sealpass=" .. session.token .. "\r\n\r\n"
end

function response(status, headers)
    answers[status] = (answers[status] or 0) + 1
    if status ~= 200 then
        if first_refused == 0 then first_refused = now() end
        return
    end
    local session = by_id[headers["x-session-id"]]
    if not session then
        nameless = nameless + 1
        return
    end
    last_passed = now()
    last_passed_begun = math.max(last_passed_begun, session.begun or 0)
    session.begun, session.earlier = nil, nil
    local cookie = headers["set-cookie"]
    if cookie then
        session.token = cookie:match("^__Host%-sealpass=([^;]*)")
        renewals:write(string.format("%.3f %s %d %s\n", last_passed, session.id, #cookie, session.token))
    end
end

-- Once, at the end, of all threads.

function done(summary)
    local file = assert(io.open(threads[1]:get("figures"), "w"))
    local function say(name, value)
        file:write(string.format("%s %.3f\n", name, value))
    end
    for _, kind in ipairs({ "connect", "read", "write", "timeout" }) do
        say("socket_" .. kind, summary.errors[kind])
    end
    for _, thread in ipairs(threads) do
        for status, count in pairs(thread:get("answers")) do
            say("answers_" .. status, count)
        end
        for _, name in ipairs({ "last_passed", "last_passed_begun", "first_refused", "nameless" }) do
            say(name, thread:get(name))
        end
    end
    file:close()
end
