"""The only rooms from which a program is started or a raw system call is made.

`ioctls`, `linking`, `leases` and `superblock` are single calls with types; `command` starts
programs; `loops` and `freezing` are small stories of several calls; `failpoints` lets tests
kill the process between two of them. What the kernel refuses comes out as OSError from the
single calls, and as our own errors from the stories.
"""
