-- Writes down what volumes or snapshots have become. Arguments: for each its `name`, a `property`, and its `value`.
-- Returns what failed, by name with its error number.
local failed = {}
for _, wanted in ipairs(arguments) do
  if not zfs.exists(wanted.name) then
    failed[wanted.name] = 2
  else
    local refusal = zfs.sync.set_prop(wanted.name, wanted.property, wanted.value)
    if refusal ~= 0 then
      failed[wanted.name] = refusal
    end
  end
end
return {failed=failed}
