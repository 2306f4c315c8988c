"""What belongs to the machine and not to a step: files and variables whose reading is not recorded.

The lists are short on purpose. What is missing here is recorded, and at worst makes a step run again; what is wrongly
here could make a stale result count.
"""

from __future__ import annotations

import contextlib
import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import detent

# Parts of /usr, because projects are installed at /usr/src or /usr/local/app.
_USR = ("bin", "sbin", "lib", "lib32", "lib64", "libexec", "share", "include")
SYSTEM = (
    *(f"/usr/{part}" for part in _USR),
    *(f"/usr/local/{part}" for part in (*_USR, "cuda")),
    *("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"),
)
# Names, users, services, certificates, time zones, shells, fonts. Not all of /etc: a program's settings are read too.
ETC = (
    *("alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version"),
    *("default/locale", "environment", "fonts", "gai.conf", "group", "host.conf", "hostname", "hosts", "inputrc"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "locale.alias", "localtime", "lsb-release"),
    *("machine-id", "magic", "mime.types", "networks", "nsswitch.conf", "nvidia", "OpenCL", "os-release", "passwd"),
    *("pki", "profile", "profile.d", "protocols", "resolv.conf", "services", "shells", "ssl", "terminfo", "timezone"),
)
STATE = ("/dev", "/proc", "/sys", "/run", "/var/run", "/.dockerenv")
# Fonts, code that a graphics card compiled, what packages report home: rebuilt by whoever misses them. Not all of
# .cache, where models from a hub lie.
HOME_CACHES = (
    *(
        f".cache/{name}"
        for name in ("fontconfig", "matplotlib", "mesa_shader_cache", "nvidia", "pip", "uv", "Microsoft")
    ),
    *(".config/matplotlib", ".config/mlflow", ".fonts", ".nv", ".triton"),
)
_TELEMETRY = ("/tmp/.ses",)  # noqa: S108  (of onnxruntime)

VARIABLES = frozenset(
    (
        *("PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "USER", "LOGNAME", "USERNAME", "SHELL", "HOSTNAME", "MAIL", "_"),
        *("LANG", "LANGUAGE", "TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR"),
        *("DISPLAY", "WAYLAND_DISPLAY", "TMPDIR", "TEMP", "TMP", "EDITOR", "VISUAL", "PAGER", "VIRTUAL_ENV"),
    )
)
VARIABLE_PREFIXES = ("LC_", "TERM_", "XDG_", "CONDA_", "PYTHON", "PYTEST_", "DETENT_", "__")
# Of the session, the terminal or the CI job: they count when read by name, not in a copy of all variables for a child.
SESSION_PREFIXES = (
    *("SSH_", "DBUS_", "GNOME_", "GTK_", "GDM", "QT_", "KDE_", "DESKTOP_", "WINDOW", "TMUX", "STY", "VTE_", "WSL"),
    *("VSCODE_", "JUPYTER_", "JPY_", "INVOCATION_ID", "JOURNAL_", "SYSTEMD_", "SUDO_", "LS_COLORS", "LESS", "PS1"),
    *("CI", "GITHUB_", "GITLAB_", "RUNNER_", "BUILD", "JENKINS_", "KUBERNETES_", "RAY_", "POD_"),
)
# Each interpreter looks for its library in an archive, too, in every folder above its own.
_LIBRARY_ZIP = f"/python{sys.version_info.major}{sys.version_info.minor}.zip"


def is_noise(variable: str) -> bool:
    """True for a variable of the environment that is never recorded."""
    return variable in VARIABLES or variable.startswith(VARIABLE_PREFIXES)


def is_session_noise(variable: str) -> bool:
    """True for a variable that is not recorded when it was read with all others."""
    return is_noise(variable) or variable.startswith(SESSION_PREFIXES)


def interpreter() -> tuple[str, ...]:
    """Return the folders of Python, of installed packages and of this package."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    parts = [str(Path(prefix, part)) for prefix in prefixes for part in (*_USR, "pyvenv.cfg")]
    packages = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    own = [str(Path(next(iter(detent.__path__))))]
    return tuple(dict.fromkeys([*parts, *sysconfig.get_paths().values(), *packages, *user, *own]))


@cache
def machine() -> tuple[str, ...]:
    """Return every path of the machine, as it is called and where links lead."""
    home = Path.home()
    caches = [str(home / cache) for cache in HOME_CACHES]
    paths = (*SYSTEM, *(f"/etc/{name}" for name in ETC), *STATE, *_TELEMETRY, *interpreter(), *caches)
    return tuple(dict.fromkeys(form for path in paths for form in (path, os.path.realpath(path))))


def program_folders(project: str) -> tuple[str, ...]:
    """Return where programs are searched, the project's own folders left out: what a search meets is no read."""
    folders = real_paths(tuple(folder for folder in os.get_exec_path() if os.path.isabs(folder)))  # noqa: PTH117
    return tuple(folder for folder in folders if not f"{folder}/".startswith(f"{project}/"))


@lru_cache(maxsize=16)
def real_paths(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return where links in some paths lead; asked for the same ones before and after each step."""
    return tuple(os.path.realpath(path) for path in paths)


@cache
def temporary_folders() -> tuple[str, ...]:
    """Return where temporary files lie, each with a slash at its end; a machine may have no such place to write to."""
    places = {"/tmp", "/var/tmp"}  # noqa: S108
    with contextlib.suppress(FileNotFoundError):
        places.add(tempfile.gettempdir())
    return tuple(sorted(f"{place}/" for place in places))


class Ignored:
    """Which paths are not recorded. A path inside the project is ignored only for a rule that lies inside it, too."""

    def __init__(self, folder: str, paths: Iterable[str]) -> None:
        self.folder = folder
        self._inside = f"{folder}/"
        kept = [path.rstrip("/") for path in paths]
        self._exact = frozenset(path for path in kept if not self._holds_project(path))
        self._outer = tuple(f"{path}/" for path in self._exact if not path.startswith(self._inside))
        self._inner = tuple(f"{path}/" for path in self._exact if path.startswith(self._inside))
        self._temporary = temporary_folders()

    def __contains__(self, path: str) -> bool:
        rules = self._inner if path.startswith(self._inside) else self._outer
        return path.startswith(rules) or path in self._exact or "/__pycache__" in path or path.endswith(_LIBRARY_ZIP)

    def in_project(self, path: str) -> bool:
        """True for a path below the project folder."""
        return path.startswith(self._inside)

    def is_passing(self, path: str) -> bool:
        """True for a path among temporary files: that a random name is free there depends on nothing."""
        return path.startswith(self._temporary) and not path.startswith(self._inside)

    def _holds_project(self, path: str) -> bool:
        return f"{self.folder}/".startswith(f"{path}/")
