-- Makes a volume that begins as a snapshot, with its record, in one transaction group. From OpenZFS 2.4 on.
-- Arguments: the `snapshot`, the volume's `name`, and its `record`. Returns what failed, with its error number.
local failed = {}
local refusal = zfs.sync.clone(arguments.snapshot, arguments.name)
if refusal == 0 then
  refusal = zfs.sync.set_prop(arguments.name, "dev.rokcsi:volume", arguments.record)
  if refusal ~= 0 then
    zfs.sync.destroy(arguments.name)
  end
end
if refusal ~= 0 then
  failed[arguments.name] = refusal
end
return {failed=failed}
