-- Gives what volumes or snapshots refer to, in bytes, everything counted that was written before the call.
-- (A channel program runs when its transaction group's data has been written.) Arguments: their names.
local referenced = {}
for _, name in ipairs(arguments) do
  if zfs.exists(name) then
    referenced[name] = zfs.get_prop(name, "referenced")
  end
end
return {referenced=referenced}
