-- Tells what this ZFS can do in a channel program that older ones cannot.
return {clones=zfs.sync.clone ~= nil}
