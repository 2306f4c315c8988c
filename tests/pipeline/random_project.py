"""Small random projects: modules with helpers, classes, constants, decorators, effects and imports of all shapes.

Everything computes with small whole numbers, so that almost any change of what runs changes what `train(2)` returns.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

USES = {  # how a symbol of each kind becomes a number; {s} is the symbol and {e} some other number
    "function": ["{s}({e})", "{s}(*[{e}])", "(lambda v: {s}(v))({e})", "sum(map({s}, [{e}, 1]))", "{s}(x={e})"],
    "constant": ["{s}", "({s} + {e})"],
    "list": ["{s}[1]", "sum({s})", "sum(v for v in {s})", "[v + {e} for v in {s}][0]", "len({s})"],
    "dict": ['{s}["a"]', '{s}.get("b", 0)', "sum({s}.values())"],
    "table": ['{s}["a"]({e})', 'sum(f({e}) for f in {s}.values())'],
    "class": ["{s}({e}).go(2)", "{s}.RATE", "{s}.make({e}).value", "{s}({e}).twice", "({s}({e}) + {s}(1)).value",
              '{s}({e})(3)', "len({s}(1))", 'getattr({s}(1), "value")', "sum({s}(2))", "{s}(1)[{e}]"],
    "factory": ["{s}({e})(3)", "(lambda f: f(1))({s}({e}))"],
    "enum": ["{s}.RED.value", "sum(c.value for c in {s})", "len({s})"],
    "record": ["{s}().rate", "{s}(rate={e}).rate", "sum({s}().rows)"],
    "tuple": ["{s}().left", "{s}({e}).right"],
    "generator": ["sum({s}({e}))", "next({s}({e}))"],
    "manager": ["{s}({e}).__enter__()"],
    "dispatch": ["{s}(1)", '{s}("a")'],
    "state": ["{s}()", "({s}() + {s}())"],
}  # fmt: skip


@dataclass
class Symbol:
    kind: str
    module: Module
    name: str
    noise: bool = False  # nobody uses it


@dataclass
class Module:
    name: str  # dotted
    file: str
    head: list[str] = field(default_factory=list)  # imports
    body: list[str] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)

    @property
    def package(self) -> str:
        return self.name if self.file.endswith("__init__.py") else self.name.rpartition(".")[0]

    def text(self) -> str:
        return "\n".join([*self.head, "", *self.body]) + "\n"


class Maker:
    """Makes one project from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.symbols: list[Symbol] = []
        self.count = 0
        self.touched: list[Symbol] = []  # by what a module does when it is imported, or bound twice
        self.known: dict[tuple[str, str, str], str] = {}  # how a symbol is called in a module

    def project(self) -> dict[str, str]:
        modules = [
            Module("settings", "settings.py"),
            Module("pkg", "pkg/__init__.py"),
            Module("pkg.low", "pkg/low.py"),
            Module("pkg.mid", "pkg/mid.py"),
            Module("space.open", "space/open.py"),
            Module("tools", "tools.py"),
        ]
        pipeline = Module("pipeline", "pipeline.py")
        order = [modules[0], modules[2], modules[3], modules[1], modules[4], modules[5], pipeline]
        for module in order:
            if module is modules[1]:
                self.reexport(module)
            for _ in range(self.random.randint(1, 4)):
                self.define(module)
                if self.random.random() < 0.4:
                    self.effect(module)
            if self.random.random() < 0.3:
                self.rebind(module)
        for module in order[:-1]:  # some are imported for their effects only
            if self.random.random() < 0.3:
                pipeline.head.append(f"import {module.name}")
        pipeline.body += self.function("train", pipeline, parameters="x", size=6, marks=True)
        return {module.file: module.text() for module in order}

    # -- numbers

    def number(self, module: Module, names: list[str], depth: int = 0, inside: list[str] | None = None) -> str:
        """Return an expression that is a whole number. `inside` collects imports of the function around."""
        pick = self.random.random()
        if depth > 2 or pick < 0.2:
            return self.random.choice([*names, str(self.random.randint(1, 9))])
        if pick < 0.4:
            operator = self.random.choice(["+", "-", "*", "^", "|"])
            return f"({self.number(module, names, depth + 1, inside)} {operator} {self.random.randint(1, 9)})"
        if pick < 0.5:
            return self.form(module, names, depth, inside)
        usable = [one for one in self.symbols if not one.noise]
        if not usable:
            return str(self.random.randint(1, 9))
        touched = [one for one in self.touched if not one.noise]
        symbol = self.random.choice(touched if touched and self.random.random() < 0.4 else usable[-10:])
        access = self.access(module, symbol, inside)
        use = self.random.choice(USES[symbol.kind])
        return use.replace("{s}", access).replace("{e}", self.number(module, names, depth + 1, inside))

    def form(self, module: Module, names: list[str], depth: int, inside: list[str] | None) -> str:
        e: Callable[[], str] = lambda: self.number(module, names, depth + 2, inside)  # noqa: E731
        return self.random.choice([
            f"(1 if {e()} > {self.random.randint(1, 30)} else {e()})", f"len(str({e()}))", f"max({e()}, {e()})",
            f"sum([i * {e()} for i in range(3)])", f"sum({{k: {e()} for k in 'ab'}}.values())", f"[{e()}, {e()}][1]",
            f"(lambda a, b={e()}: a - b)({e()})", f"(last := {e()})" if inside is not None else e(), f"int(not {e()})",
            f"abs(-{e()})", f"sum(i for i in range(4) if i != {self.random.randint(0, 3)})",
        ])  # fmt: skip

    def access(self, module: Module, symbol: Symbol, inside: list[str] | None) -> str:
        """Make a symbol known in a module, in one of Python's ways, and return how it is called there."""
        if symbol.module is module:
            return symbol.name
        source, name, style = symbol.module.name, symbol.name, self.random.random()
        head = module.head if inside is None or style < 0.85 else inside
        key = (module.name, source, name)
        if key in self.known and self.random.random() < 0.7:
            return self.known[key]
        self.count += 1
        alias = f"n{self.count}"
        parent, _, last = source.rpartition(".")
        if style < 0.2:
            line, result = f"import {source}", f"{source}.{name}"
            if head is inside and "." in source:  # a dotted import binds the first part in the function
                line, result = f"import {source} as {alias}", f"{alias}.{name}"
        elif style < 0.35:
            line, result = f"import {source} as {alias}", f"{alias}.{name}"
        elif style < 0.5 and parent:
            line, result = f"from {parent} import {last} as {alias}", f"{alias}.{name}"
        elif style < 0.6 and module.package and source.startswith(f"{module.package}."):
            line, result = f"from .{last} import {name} as {alias}", alias
        elif style < 0.615 and inside is None:
            head.append(f"from {source} import *")
            return name
        elif style < 0.68 and inside is None:
            head += [f"if {self.random.randint(1, 9)} > 5:", f"    from {source} import {name} as {alias}", "else:"]
            line, result = f"    import {source}\n    {alias} = {source}.{name}", alias
        else:
            line, result = f"from {source} import {name} as {alias}", alias
        if line not in head:
            head.append(line)
        if head is module.head:
            self.known[key] = result
        return result

    # -- definitions

    def new(self, kind: str, module: Module, *, noise: bool = False) -> str:
        self.count += 1
        name = f"{'unused' if noise else kind[0]}_{self.count}"
        symbol = Symbol(kind, module, name, noise)
        module.symbols.append(symbol)
        self.symbols.append(symbol)
        return name

    def function(self, name: str, module: Module, parameters: str, size: int = 2, *, marks: bool = False) -> list[str]:
        inside: list[str] = []
        names = [parameters.split(",")[0].split("=")[0].strip("* ")]
        lines = []
        for index in range(self.random.randint(1, size)):
            value = self.number(module, names, inside=inside)
            shape = self.random.random()
            if shape < 0.6:
                lines.append(f"v{index} = {value}")
            elif shape < 0.75:
                lines += [f"v{index} = 0", f"for i in range(2):\n        v{index} += {value} + i"]
            elif shape < 0.9:
                lines += ["try:", f"    v{index} = {value}", "except ValueError:", f"    v{index} = 0"]
            else:
                lines += [f"def inner(q, r={value}): return q + r", f"v{index} = inner({self.number(module, names)})"]
            names.append(f"v{index}")
        lines.append(f"return {' + '.join([self.number(module, names, inside=inside), *names[1:]])}")
        head = []
        if marks and self.random.random() < 0.4:
            head = [f"@{self.decorator(module)}"]
        return [*head, f"def {name}({parameters}):", *(f"    {line}" for line in [*dict.fromkeys(inside), *lines])]

    def decorator(self, module: Module) -> str:
        self.count += 1
        name = f"deco_{self.count}"
        inner = f"    def run(x): return f(x) + {self.number(module, ['x'])}"
        module.body += [f"def {name}(f):", inner, "    return run"]
        return name

    def define(self, module: Module) -> None:
        kind = self.random.choice([*USES, "function", "function", "class"])
        noise = self.random.random() < 0.2
        makers = {"function": self._function, "class": self._class, "generator": self._generator}
        lines = makers[kind](module, noise) if kind in makers else self._simple(kind, module, noise)
        module.body += lines

    def _function(self, module: Module, noise: bool) -> list[str]:
        parameters = f"x, k={self.number(module, ['1'])}" if self.random.random() < 0.3 else "x"
        lines = self.function("NAME", module, parameters, marks=True)
        name = self.new("function", module, noise=noise)
        return [line.replace("NAME", name) for line in lines]

    def _class(self, module: Module, noise: bool) -> list[str]:
        bases = [one for one in self.symbols if one.kind == "class" and not one.noise]
        base = self.access(module, self.random.choice(bases), None) if bases and self.random.random() < 0.5 else ""
        methods = [
            f"RATE = {self.number(module, ['1'])}",
            f"def __init__(self, value=1): self.value = value + {self.number(module, ['value'])}",
            f"def go(self, x): return self.value * {self.random.randint(1, 5)} + x",
            f"@classmethod\n    def make(cls, x): return cls(x + {self.random.randint(0, 3)})",
            f"@property\n    def twice(self): return self.value * {self.number(module, ['self.RATE'])}",
            f"def __add__(self, other): return type(self)(self.value - other.value + {self.random.randint(0, 3)})",
            f"def __call__(self, x): return x + self.value + {self.random.randint(0, 3)}",
            f"def __len__(self): return {self.random.randint(1, 4)}",
            f"def __iter__(self): return iter([self.value, {self.random.randint(1, 4)}])",
            f"def __getitem__(self, key): return self.value - key * {self.random.randint(1, 4)}",
        ]
        if base:
            methods = self.random.sample(methods, self.random.randint(1, 5))
        name = self.new("class", module, noise=noise)
        return [f"class {name}({base}):" if base else f"class {name}:", *(f"    {line}" for line in methods)]

    def _generator(self, module: Module, noise: bool) -> list[str]:
        value = self.number(module, ["x", "i"])
        name = self.new("generator", module, noise=noise)
        return [f"def {name}(x):", f"    for i in range({self.random.randint(1, 3)}):", f"        yield {value}"]

    def _simple(self, kind: str, module: Module, noise: bool) -> list[str]:
        a, b, c = (self.number(module, ["1"]) for _ in range(3))
        functions = [one for one in self.symbols if one.kind == "function" and not one.noise]
        f = self.access(module, self.random.choice(functions), None) if functions else "abs"
        name = self.new(kind, module, noise=noise)
        more = [f"{name}.append({c})"] if kind == "list" else [f'{name}["b"] = {c}']
        more = more if self.random.random() < 0.3 else []
        texts = {
            "constant": [f"{name} = {a}"],
            "list": [f"{name} = [{a}, {b}]", *more],
            "dict": [f'{name} = {{"a": {a}, "b": {b}}}', *more],
            "table": [f'{name} = {{"a": {f}, "b": lambda x: x + {a}}}'],
            "factory": [f"def {name}(k):", f"    def run(x): return x * {a} + k", "    return run"],
            "enum": [
                "import enum",
                f"class {name}(enum.IntEnum):",
                f"    RED = {self.random.randint(1, 5)}",
                "    BLUE = 9",
            ],
            "record": [
                "import dataclasses",
                f"def rows_{name}(): return [{b}]",
                "@dataclasses.dataclass",
                f"class {name}:",
                f"    rate: int = {a}",
                f"    rows: list = dataclasses.field(default_factory=rows_{name})",
            ],
            "tuple": [
                "import typing",
                f"class {name}(typing.NamedTuple):",
                f"    left: int = {a}",
                f"    right: int = {b}",
            ],
            "manager": ["import contextlib", "@contextlib.contextmanager", f"def {name}(x):", f"    yield x + {a}"],
            "dispatch": [
                "import functools",
                "@functools.singledispatch",
                f"def {name}(x): return {a}",
                f"@{name}.register",
                f"def _(x: str): return {b}",
            ],
            "state": [
                f"count_{name} = {a}",
                f"def {name}():",
                f"    global count_{name}",
                f"    count_{name} += {b}",
                f"    return count_{name}",
            ],
        }
        return texts[kind]

    def effect(self, module: Module) -> None:
        """Let a module do something, when it is imported, to what another one defines."""
        known = [one for one in self.symbols if not one.noise]
        if not known:
            return
        symbol = self.random.choice(known)
        value = self.number(module, ["1"])
        access = self.access(module, symbol, None)
        owner, _, name = access.rpartition(".")
        lines = {
            "list": [f"{access}.append({value})", f"{access}[0] = {value}", f"{access}.extend([{value}])"],
            "dict": [f'{access}["b"] = {value}', f"{access}.update(a={value})"],
            "table": [f'{access}["b"] = lambda x: {value}'],
            "class": [f"{access}.RATE = {value}", f"{access}.go = lambda self, x: {value}"],
            "dispatch": [f"{access}.register(str, lambda x: {value})"],
            "state": [f"{access}()"],
        }.get(symbol.kind, [])
        if owner and symbol.kind == "function":
            lines.append(f"{owner}.{name} = lambda x: {value}")
            lines.append(f"setattr({owner}, '{name}', lambda x: {value})")
        if owner and symbol.kind == "constant":
            lines.append(f"{owner}.{name} = {value}")
        if lines:
            module.body.append(self.random.choice(lines))
            self.touched.append(symbol)

    def rebind(self, module: Module) -> None:
        """Bind a name of the module a second time, after a copy of it was taken."""
        for symbol in [one for one in module.symbols if one.kind in ("constant", "function", "list")][:1]:
            copy = self.new(symbol.kind, module)
            again = {
                "constant": f"{symbol.name} = {symbol.name} * 2 + 1",
                "list": f"{symbol.name} = [*{symbol.name}, 5]",
                "function": f"def {symbol.name}(x, k=1): return x + {self.random.randint(1, 9)} * k",
            }
            module.body += [f"{copy} = {symbol.name}", again[symbol.kind]]
            self.touched += [symbol, module.symbols[-1]]

    def reexport(self, module: Module) -> None:
        for symbol in self.random.sample(self.symbols, min(2, len(self.symbols))):
            if symbol.module.name.startswith("pkg."):
                module.head.append(f"from .{symbol.module.name.rpartition('.')[2]} import {symbol.name}")
                self.symbols.append(Symbol(symbol.kind, module, symbol.name, symbol.noise))
