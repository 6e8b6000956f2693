-- What wrk sends: the heads of a file, one after the other, again and again.
--
--   wrk … -s requests.lua URL -- FILE

local heads, place = {}, 0

function init(args)
    local text = assert(io.open(args[1], "rb")):read("*a")
    for head in text:gmatch("(.-\r\n\r\n)") do
        table.insert(heads, head)
    end
end

function request()
    place = place % #heads + 1
    return heads[place]
end
