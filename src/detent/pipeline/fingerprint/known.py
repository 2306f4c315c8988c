"""What is known about names from outside a project: which calls change nothing, and which hand out hidden things.

A name that isn't in these tables is taken for the worse, so a gap costs a repeated step and never a stale result.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping

# Built-in functions that do nothing but compute. `map` and `filter` are left out: they call what they are given.
BUILTINS = frozenset({
    "abs", "all", "any", "bool", "bytes", "complex", "dict", "divmod", "enumerate", "float", "frozenset", "int", "len",
    "list", "max", "min", "object", "ord", "chr", "pow", "range", "repr", "reversed", "round", "set", "slice", "sorted",
    "str", "sum", "super", "tuple", "zip", "isinstance", "issubclass", "hash",
})  # fmt: skip
# Built-in functions that keep what they are given and do not call it.
_ERRORS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
)
BUILTIN_WRAPPERS = frozenset({"classmethod", "property", "staticmethod"})

# Names that take functions and classes without calling them while a module is imported.
WRAPPERS = frozenset({
    "abc", "attr", "attrs", "beartype", "collections.ChainMap", "collections.OrderedDict", "collections.defaultdict",
    "collections.namedtuple", "contextlib.asynccontextmanager", "contextlib.contextmanager", "dataclasses.dataclass",
    "dataclasses.field", "detent.pipeline", "enum", "functools.cache", "functools.cached_property",
    "functools.cmp_to_key", "functools.lru_cache", "functools.partial", "functools.partialmethod",
    "functools.singledispatch", "functools.singledispatchmethod", "functools.total_ordering", "functools.wraps",
    "msgspec", "numba", "operator.attrgetter", "operator.itemgetter", "operator.methodcaller", "pydantic", "tenacity",
    "torch.compile", "torch.inference_mode", "torch.no_grad", "types.MappingProxyType", "types.SimpleNamespace",
    "typing", "typing_extensions",
})  # fmt: skip
# Names below which everything computes and nothing else, but for the words that follow.
PURE: Mapping[str, tuple[str, ...]] = {
    "collections": (),
    "datetime": (),
    "decimal": ("getcontext", "setcontext", "localcontext"),
    "fractions": (),
    "itertools": ("starmap", "accumulate", "takewhile", "dropwhile", "filterfalse", "groupby", "tee"),
    "logging.getLogger": (),
    "math": (),
    "numpy": (
        "random", "set", "seterr", "copyto", "put", "place", "fill_diagonal", "from", "apply", "piecewise", "save",
        "load", "memmap", "genfromtxt", "lib", "testing", "errstate", "nditer",
    ),
    "operator": ("call", "setitem", "delitem", "iadd", "iand", "iconcat", "ifloordiv", "ilshift", "imatmul", "imod",
                 "imul", "ior", "ipow", "irshift", "isub", "itruediv", "ixor"),
    "os.path": (),
    "pathlib": (),
    "polars": ("Config", "api", "enable_", "disable_", "set_", "using_", "plugins", "read_", "scan_", "SQLContext"),
    "re": ("sub", "subn"),
    "string": (),
    "textwrap": (),
    "zoneinfo": (),
}  # fmt: skip
# Methods that only read, whatever they are called on; anything else may change what has a name.
READERS = frozenset({
    "absolute", "alias", "as_posix", "cast", "casefold", "copy", "count", "decode", "difference", "encode", "endswith",
    "format", "get", "index", "intersection", "isoformat", "items", "join", "joinpath", "keys", "lower", "lstrip",
    "name", "relative_to", "removeprefix", "removesuffix", "resolve", "rstrip", "split", "splitlines", "startswith",
    "strip", "title", "union", "upper", "values", "with_name", "with_stem", "with_suffix",
})  # fmt: skip
# Methods that write files, even on a value made on the spot (`Path("x").mkdir()`).
WRITERS = frozenset({
    "append", "chmod", "connect", "hardlink_to", "mkdir", "open", "register", "rename", "replace", "rmdir", "run",
    "seed", "start", "symlink_to", "touch", "unlink", "write", "write_bytes", "write_text",
})  # fmt: skip
# Packages whose import changes nothing for code that does not name them, and whose classes keep no list of subclasses.
# Any other imported package counts for every step of the modules that import it: it may patch or register.
QUIET = frozenset({
    "aiohttp", "attr", "attrs", "beartype", "boto3", "catboost", "click", "dateutil", "detent", "duckdb", "fsspec",
    "httpx", "joblib", "lightgbm", "matplotlib", "msgspec", "networkx", "numba", "numpy", "onnx", "onnxruntime",
    "orjson", "packaging", "pandas", "pandera", "plotly", "polars", "pyarrow", "pydantic", "requests", "rich",
    "scipy", "skl2onnx", "sklearn", "statsmodels", "tenacity", "torch", "tqdm", "typing_extensions",
    "xgboost",
})  # fmt: skip

# Calls through which code reaches things that are not written down.
EVALUATORS = frozenset({"compile", "eval", "exec"})
OWN_SCOPE = frozenset({"locals", "vars"})  # without arguments at the top level: the module
BY_NAME = frozenset({"getattr", "setattr", "delattr", "hasattr"})
IMPORTERS = frozenset(
    {"importlib.import_module", "__import__", "builtins.__import__", "importlib.__import__", "importlib.util.find_spec"}
)
ANYTHING = (
    "__path__", "gc", "imp", "importlib.machinery", "importlib.reload", "importlib.util", "inspect.currentframe",
    "inspect.getmodule", "inspect.stack", "pkgutil", "pydoc.locate", "runpy", "sys._current_frames", "sys._getframe",
    "sys.modules", "zipimport",
)  # fmt: skip
ANYTHING_ATTRIBUTES = frozenset({"__globals__", "__subclasses__", "f_back", "f_globals", "gi_frame", "tb_frame"})
SOURCE = (
    "dill.source", "dis", "inspect.findsource", "inspect.getcomments", "inspect.getsource", "inspect.getsourcelines",
    "inspect.currentframe", "inspect.stack", "linecache", "sys._getframe", "torch.jit", "traceback.extract_stack",
    "traceback.extract_tb", "traceback.format_exc", "traceback.format_exception", "traceback.format_stack",
    "traceback.format_tb", "traceback.walk_stack", "traceback.walk_tb",
)  # fmt: skip
SOURCE_ATTRIBUTES = frozenset({"__code__", "co_firstlineno", "f_lineno", "tb_lineno"})
DOCS = ("doctest", "inspect.getdoc")
# Packages that give docstrings to a language model or put them into a schema.
DOC_READERS = frozenset({
    "agents", "autogen", "crewai", "docopt", "dspy", "fastmcp", "fire", "google", "guidance", "instructor", "langchain",
    "langchain_core", "langgraph", "llama_index", "magentic", "marvin", "mcp", "mirascope", "ollama", "openai",
    "outlines", "pydantic", "pydantic_ai", "semantic_kernel", "smolagents",
})  # fmt: skip
# Packages that find variables of the caller by names inside strings (`select * from frame`, `y ~ center(x)`), and the
# methods of frames that do so.
FRAME_READERS = ("bambi", "duckdb", "formulaic", "linearmodels", "numexpr", "pandasql", "patsy", "statsmodels.formula")
FRAME_METHODS = frozenset({"query", "eval", "sql"})
INSTALLED = ("importlib.metadata", "importlib_metadata", "pkg_resources")  # what is installed may be listed
PATHS = ("sys.path", "site", "sys.meta_path", "sys.path_hooks")  # modules may come from anywhere in the project
NATIVE = ("ctypes", "cffi", "numpy.ctypeslib", "polars.plugins", "torch.classes", "torch.ops")  # load native libraries
PROCESSES = (
    "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "invoke", "os.execl", "os.execle", "os.execlp",
    "os.execv", "os.execve", "os.execvp", "os.popen", "os.posix_spawn", "os.spawnl", "os.spawnv", "os.spawnvp",
    "os.system", "pexpect", "plumbum", "pty", "sh", "subprocess",
)  # fmt: skip


def below(name: str, packages: Iterable[str]) -> bool:
    """True when a dotted name is one of these or lies below one of them."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def is_wrapper(name: str) -> bool:
    """True when calling a dotted name keeps the functions that it is given, and calls none."""
    package, _, last = name.rpartition(".")
    if package == "builtins":
        return last in BUILTIN_WRAPPERS
    return below(name, WRAPPERS)


def only_computes(name: str) -> bool:
    """True when calling a dotted name does no more than compute."""
    head, _, last = name.rpartition(".")
    if is_wrapper(name) or (head == "builtins" and (last in BUILTINS or last in _ERRORS)):
        return True
    for package, impure in PURE.items():
        if name == package or name.startswith(package + "."):
            rest = name[len(package) + 1 :]
            return not any(rest == word or rest.startswith(word) for word in impure)
    return False
