"""The sandbox: runs Python where it can do no harm, on Linux.

limits.py     what a process may take, and the command that limits it
process.py    a process that is ended when it takes too much memory
groups.py     the kernel's control groups, where they may be used
walls.py      bubblewrap's command, wall by wall
seccomp.py    the system calls that are refused
runners.py    starts BUILD and JUDGE, in the sandbox or without it
check.py      proves that the sandbox holds; probe.py tries to break out of it
"""
