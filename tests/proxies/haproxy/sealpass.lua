-- The action that asks Sealpass who is calling, for HAProxy 2.6 and later. The configuration calls it before each
-- request and says the rest.
--
-- It sets txn.sealpass to "allowed" after a 200 and nothing else; the configuration answers 503 to whoever comes
-- without, so that an error in here lets nobody in.

local OURS = { "__Host-sealpass" }
-- Sealpass takes heads of 128 KB in all.
local COOKIES_LIMIT = 110000
local LINE_LIMIT = 1500
-- What Sealpass says of the session goes to the application. The configuration took out what the client sent under
-- these names.
local IDENTITY = {
    "x-session-valid",
    "x-session-subject",
    "x-session-id",
    "x-session-roles",
    "x-session-auth-time",
    "x-session-started",
    "x-session-amr",
    "x-session-aal",
    "x-session-expires",
    "x-session-fresh",
    "x-session-anonymous",
    "x-session-realm",
    "x-session-data",
    "x-session-reason",
    "x-session-csrf",
}
-- What it has to know of the request: what the configuration set, and what the browser says.
local ASKED = {
    "x-forwarded-proto", "x-forwarded-host", "origin", "access-control-request-method", "sec-fetch-site",
    "sec-fetch-mode", "sec-fetch-dest", "accept", "referer",
    -- "authorization", -- for a realm that accepts bearer tokens
}
-- What of a denial goes to the browser, and with which codes.
local DENIAL = { "www-authenticate", "cache-control", "set-cookie", "location", "vary", "x-session-reason" }
local DENIED = { [302] = true, [303] = true, [401] = true, [403] = true }

-- All lines of a header, in their order.
local function lines(headers, name)
    local found, all = headers[name], {}
    while found and found[#all] do
        all[#all + 1] = found[#all]
    end
    return all
end

-- Control characters are no HTTP, and HAProxy lets them pass.
local function is_sound(text, limit)
    return #text <= limit and not text:find("[\0-\8\10-\31\127]")
end

-- What goes to Sealpass. No body, and none of the client's other headers, so that none can upset it.
local function question(txn, headers, cookies)
    local ask = {}
    local function say(name, text, limit)
        if is_sound(text, limit) then ask[name] = { text } end
    end
    say("x-forwarded-method", txn.sf:method(), LINE_LIMIT)
    say("x-forwarded-uri", txn.sf:pathq(), LINE_LIMIT)
    for _, name in ipairs(ASKED) do
        local all = lines(headers, name)
        if #all == 1 then say(name, all[1], LINE_LIMIT) end
    end
    local csrf = lines(headers, "x-csrf-token")
    if #csrf == 1 and csrf[1]:find("^[%w_-]+$") then say("x-csrf-token", csrf[1], LINE_LIMIT) end
    -- What Sealpass could not take for HTTP, or is too much for it, counts as no cookie.
    if cookies ~= "" then say("cookie", cookies, COOKIES_LIMIT) end
    return ask
end

-- Which of our cookies it is, if it is one. No pattern here may begin in more than one place or end in more than one way: on a line of
-- spaces it would take so long that HAProxy's watchdog ends the whole process.
local function ours(pair)
    local start = pair:match("^[ \t]*()")
    for _, name in ipairs(OURS) do
        local stop = start + #name
        if pair:sub(start, stop - 1) == name and pair:find("^[ \t]*=", stop) then return name end
    end
end

-- All cookies but ours, wherever it stands. No browser sends ours twice: then there are none at all.
local function of_others(cookies)
    local others, found = {}, {}
    for pair in (cookies .. ";"):gmatch("([^;]*);") do
        local name = ours(pair)
        if not name then
            others[#others + 1] = pair
        elseif found[name] then
            return ""
        else
            found[name] = true
        end
    end
    if next(found) == nil then return cookies end
    return table.concat(others, ";"):match("^[ \t]*(.*)$")
end

local function allow(txn, answered, cookies)
    for _, name in ipairs(IDENTITY) do
        local value = lines(answered, name)[1]
        if value and value ~= "" then txn.http:req_set_header(name, value) end
    end
    local others = of_others(cookies)
    if others == "" then
        txn.http:req_del_header("cookie")
    else
        txn.http:req_set_header("cookie", others)
    end
    local renewed = lines(answered, "set-cookie")[1]
    if renewed then txn:set_var("txn.sealpass_renewed", renewed) end
    txn:set_var("txn.sealpass", "allowed")
end

-- Ends the request.
local function deny(txn, status, answered)
    local reply = txn:reply{ status = status }
    for _, name in ipairs(DENIAL) do
        for _, value in ipairs(lines(answered, name)) do
            if value ~= "" then reply:add_header(name, value) end
        end
    end
    txn:done(reply)
end

core.register_action("sealpass", { "http-req" }, function(txn)
    local headers = txn.http:req_get_headers()
    local cookies = table.concat(lines(headers, "cookie"), "; ")
    local answer = core.httpclient():get{
        url = "http://sealpass" .. txn:get_var("txn.sealpass_policy"),
        dst = os.getenv("SEALPASS_ASK"),
        headers = question(txn, headers, cookies),
        timeout = 5000, -- never reached: the backend sealpass_verify answers before
    }
    local status, answered = answer and answer.status, answer and answer.headers or {}
    if status == 200 then
        allow(txn, answered, cookies)
    elseif DENIED[status] then
        deny(txn, status, answered)
    end
end)
