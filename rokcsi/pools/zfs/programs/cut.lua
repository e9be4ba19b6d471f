-- Cuts snapshots of several volumes in one transaction group, each with its record: all of them or none.
-- Arguments: for each its `name`, the record it gets when nobody has its volume open, and the one when somebody has.
-- Returns what failed, by name with its error number, and which volumes were open at that instant.
local SNAPSHOT = "dev.rokcsi:snapshot"
local EBUSY, ESRCH = 16, 3
local failed, open, made = {}, {}, {}

local function is_open(snapshot)
  local volume = string.match(snapshot, "^[^@]+")
  local answer = zfs.check.rollback(volume)
  if answer == ESRCH then
    answer = zfs.check.destroy(volume)
  end
  return answer == EBUSY
end

local function cut(wanted)
  local was_open = is_open(wanted.name)
  local refusal = zfs.sync.snapshot(wanted.name)
  if refusal ~= 0 then
    return refusal
  end
  table.insert(made, wanted.name)
  if was_open then
    open[wanted.name] = true
    return zfs.sync.set_prop(wanted.name, SNAPSHOT, wanted.in_use)
  end
  return zfs.sync.set_prop(wanted.name, SNAPSHOT, wanted.idle)
end

for _, wanted in ipairs(arguments) do
  local refusal = zfs.check.snapshot(wanted.name)
  if refusal ~= 0 then
    failed[wanted.name] = refusal
  end
end
if next(failed) == nil then
  for _, wanted in ipairs(arguments) do
    local refusal = cut(wanted)
    if refusal ~= 0 then
      failed[wanted.name] = refusal
      break
    end
  end
end
if next(failed) ~= nil then
  for _, name in ipairs(made) do
    zfs.sync.destroy(name)
  end
end
return {failed=failed, open=open}
