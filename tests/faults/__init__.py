"""Failing system calls and kills while files are written, by strace's fault injection.

Each attempt runs a writer in a process of its own and lets one of its system calls fail with ENOSPC, EIO, EINTR or
EACCES, or kills the process there. Afterwards the file is the old one or the new one, whole; an error is an OSError.
"""
