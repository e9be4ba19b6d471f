-- Takes volumes and snapshots away, all of them or none, and then every grave that nobody needs any more.
-- Arguments: full names of volumes and snapshots. A volume that has snapshots becomes a grave: it is marked, stays
-- for their sake, and gives back what only its own newest state occupied.
-- Returns what failed, by name with its error number; what is gone; and what is left, with the bytes it uses.
local DELETED = "dev.rokcsi:deleted"
local EBUSY = 16
local failed, gone, left = {}, {}, {}

local function volume_of(name)
  return name and string.match(name, "^[^@]+")
end

local function short(volume)
  return string.match(volume, "[^/]+$")
end

local function is_snapshot(name)
  return string.find(name, "@", 1, true) ~= nil
end

local function has_snapshots(volume)
  for _ in zfs.list.snapshots(volume) do
    return true
  end
  return false
end

local function is_grave(volume)
  return zfs.get_prop(volume, DELETED) == short(volume)
end

local function check(name)
  if not zfs.exists(name) then
    return 0
  elseif is_snapshot(name) then
    return zfs.check.destroy{name, defer=true}
  elseif not has_snapshots(name) then
    return zfs.check.destroy(name)
  elseif zfs.check.rollback(name) == EBUSY then
    return EBUSY
  end
  return zfs.check.set_prop(name, DELETED, short(name))
end

local function tell(name)
  if name and zfs.exists(name) then
    left[name] = zfs.get_prop(name, "used")
  elseif name then
    gone[name] = true
    left[name] = nil
  end
end

local function destroy(volume)
  local origin = zfs.get_prop(volume, "origin")
  if zfs.sync.destroy(volume) ~= 0 then
    tell(volume)
    return nil
  end
  tell(volume)
  tell(origin)
  return volume_of(origin)
end

local function collect(volume)
  while volume and zfs.exists(volume) and is_grave(volume) and not has_snapshots(volume) do
    volume = destroy(volume)
  end
end

local function bury(name)
  if not zfs.exists(name) then
    gone[name] = true
  elseif is_snapshot(name) then
    zfs.sync.destroy{name, defer=true}
    tell(name)
    collect(volume_of(name))
  elseif not has_snapshots(name) then
    collect(destroy(name))
  else
    zfs.sync.set_prop(name, DELETED, short(name))
    zfs.sync.rollback(name)
    tell(name)
  end
end

for _, name in ipairs(arguments) do
  local refusal = check(name)
  if refusal ~= 0 then
    failed[name] = refusal
  end
end
if next(failed) == nil then
  for _, name in ipairs(arguments) do
    bury(name)
  end
end
return {failed=failed, gone=gone, left=left}
