"""Names of the standard library that Windows lacks. Source: the availability notes of Python's documentation."""

POSIX_MODULES = frozenset(
    (
        "fcntl",
        "grp",
        "posix",
        "pty",
        "pwd",
        "readline",
        "resource",
        "syslog",
        "termios",
        "tty",
        "curses",
        "spwd",
        "crypt",
    )
)
POSIX_ATTRIBUTES: dict[str, frozenset[str]] = {
    "os": frozenset(
        (
            "chown", "chroot", "ctermid", "fchdir", "fchmod", "fchown", "fdatasync", "fork", "forkpty", "fpathconf",
            "fstatvfs", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid", "getpgrp", "getpriority",
            "getsid", "getuid", "initgroups", "killpg", "lchown", "lockf", "makedev", "major", "minor", "mkfifo", "mknod",
            "nice", "openpty", "pathconf", "pidfd_open", "pipe2", "posix_fadvise", "posix_fallocate", "posix_spawn",
            "pread", "preadv", "pwrite", "pwritev", "register_at_fork", "sched_getaffinity", "sched_setaffinity",
            "sched_yield", "sendfile", "setegid", "seteuid", "setgid", "setgroups", "setpgid", "setpriority", "setsid",
            "setuid", "statvfs", "sync", "sysconf", "tcgetpgrp", "tcsetpgrp", "ttyname", "uname", "wait", "wait3",
            "wait4", "waitid", "O_CLOEXEC", "O_DIRECTORY", "O_DSYNC", "O_NDELAY", "O_NOCTTY", "O_NOFOLLOW",
            "O_NONBLOCK", "O_PATH", "O_SYNC", "O_TMPFILE", "RTLD_GLOBAL", "RTLD_NOW", "WNOHANG", "WIFEXITED",
            "WEXITSTATUS",
        )
    ),
    "select": frozenset(("select", "poll", "epoll", "kqueue", "devpoll")),  # `select` there takes only sockets
    "signal": frozenset(
        (
            "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGIO", "SIGKILL", "SIGPIPE", "SIGPROF", "SIGQUIT",
            "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGXCPU", "SIGXFSZ", "alarm",
            "getitimer", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt", "sigpending",
            "sigtimedwait", "sigwait", "sigwaitinfo",
        )
    ),
    "socket": frozenset(("AF_UNIX", "SO_REUSEPORT")),
    "time": frozenset(("clock_getres", "clock_gettime", "pthread_getcpuclockid", "tzset")),
    "asyncio": frozenset(("open_unix_connection", "start_unix_server")),
}  # fmt: skip
POSIX_ARGUMENTS = frozenset(("preexec_fn", "pass_fds", "process_group", "user", "group", "umask"))
