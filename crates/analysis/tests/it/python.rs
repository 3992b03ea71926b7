//! Rules for Python cells, construct by construct, in the order of the rules. The file is long because it is one table of rules,
//! to be read beside the language's reference.

use quire_analysis::{Analysis, CellType, Read, analyse};

/// Returns the names of reads separated by blanks, with `?` after a deferred one.
fn text(reads: &[Read]) -> String {
    let names: Vec<String> =
        reads.iter().map(|read| format!("{}{}", read.name, if read.deferred { "?" } else { "" })).collect();
    names.join(" ")
}

fn analysed(code: &str) -> Analysis {
    let analysis = analyse(CellType::Python, code);
    assert_eq!(analysis.error(), None, "in {code:?}");
    analysis
}

/// Checks `reads` without built-ins, deferred ones with `?`, and `writes`; both separated by blanks.
#[track_caller]
fn check(code: &str, reads: &str, writes: &str) {
    let analysis = analysed(code);
    assert_eq!((text(&analysis.reads).as_str(), analysis.writes.join(" ").as_str()), (reads, writes), "in {code:?}");
}

#[track_caller]
fn check_builtins(code: &str, builtins: &str) {
    assert_eq!(text(&analysed(code).builtins_read), builtins, "in {code:?}");
}

#[track_caller]
fn check_deletes(code: &str, reads: &str, writes: &str, deletes: &str) {
    check(code, reads, writes);
    assert_eq!(analysed(code).deletes.join(" "), deletes, "in {code:?}");
}

#[test]
fn empty_cells() {
    for code in ["", " ", "\n", "# only a comment", "\u{feff}", "pass", "'text'", "...", "1"] {
        check(code, "", "");
    }
}

#[test]
fn assignment() {
    check("x = y", "y", "x");
    check("x = x", "x", "x");
    check("x = 1; x = x", "", "x");
    check("x = x + 1", "x", "x");
    check("print(x); x = 1", "x", "x");
    check("a, (b, [c, *d]) = e", "e", "a b c d");
    check("[a, *b] = c", "c", "a b");
    check("a = b = c", "c", "a b");
    check("a = a.b = c", "c", "a");
    check("a.b = a = c", "a c", "a");
    check("i = a[i] = 0", "a", "i");
    check("a[i] = i = 0", "a i", "i");
    check("x.a = 1", "x", "");
    check("x[0] = 1", "x", "");
    check("x[i].a[j:k] = v", "i j k v x", "");
    check("a, b.c, d[e] = f", "b d e f", "a");
    check("*a, = b", "b", "a");
}

#[test]
fn branches_count_as_if_run() {
    check("if c: x = 1\nprint(x)", "c", "x");
    check("if c:\n    x = 1\nelif d:\n    y = x\nelse:\n    z = y", "c d", "x y z");
    check("while c:\n    x = 1\nelse:\n    y = x", "c", "x y");
    check("while c: c = f(c)", "c f", "c");
    check("if x: x = 1", "x", "x");
    check("def f(): return x\nf()\nx = 1", "", "f x");
}

#[test]
fn augmented_assignment() {
    check("x += 1", "x", "x");
    check("x = 0\nx += 1", "", "x");
    check("x += x", "x", "x");
    check("x += (x := 1)", "x", "x");
    check("x[0] += 1", "x", "");
    check("x.a += y", "x y", "");
    check("x[i] @= v", "i v x", "");
    check("def f():\n    x += 1", "", "f");
}

#[test]
fn annotated_assignment() {
    check("x: T = v", "T? v", "x");
    check("x: T", "T?", "");
    check("x: T\nprint(x)", "T? x", "");
    check("x: x = 1", "", "x");
    check("x: T = 1\nT = int", "", "T x");
    check("(x): T = 1", "T?", "x");
    check("a.b: T = c", "T? a c", "");
    check("a.b: T", "T? a", "");
    check("a[i]: T", "T? a i", "");
    check("x: 'T' = 1", "", "x");
    check("x: list['T']", "", "");
    check("def f():\n    (x): T\n    return x", "T? x?", "f");
    check("def f():\n    x: T\n    return x", "T?", "f");
    check("def f():\n    x: T = 1\n    return x", "T?", "f");
    check("from __future__ import annotations\nx: T = 1", "T?", "x");
    check_builtins("x: int", "int?");
}

#[test]
fn walrus() {
    check("(x := 1)", "", "x");
    check("f(x := y, x)", "f y", "x");
    check("print((x := 1) + x)", "", "x");
    check("print(x + (x := 1))", "x", "x");
    check("ys = [last := f(x) for x in data]", "data f", "last ys");
    check("[[(t := j) for j in i] for i in rows]", "rows", "t");
    check("f'{(x := 1)}'", "", "x");
    check("f'{(x := 1):{x}}'", "", "x");
    check("def f(): return (x := 1), x", "", "f");
    check("def f(): return [y := z for z in q], y", "q?", "f");
    check("lambda: (x := 1, x)", "", "");
    check("def f(a=(x := 1)): return x", "", "f x");
    check("any((hit := x) > 1 for x in xs)\nhit", "xs", "hit");
    check("while chunk := read(): use(chunk)", "read use", "chunk");
    check("def f():\n    global x\n    [x := y for y in z]", "z?", "f x");
}

#[test]
fn loops() {
    check("for i in xs: print(i)\ni", "xs", "i");
    check("for i in i: pass", "i", "i");
    check("for i, (j, *k) in xs: pass\nelse: use(i, j, k)", "use xs", "i j k");
    check("for x.a in y: pass", "x y", "");
    check("for x[k] in y: pass", "k x y", "");
    check("for x in xs:\n    y = x\nelse:\n    z = y", "xs", "x y z");
    check("async for x in xs: await f(x)", "f xs", "x");
    check("for _ in range(3): pass", "", "_");
}

#[test]
fn with_statements() {
    check("with a as b, b as c: d", "a d", "b c");
    check("with (a as b, c(b) as (d, e)): pass", "a c", "b d e");
    check("with a: pass", "a", "");
    check("with c as x[k]: pass", "c k x", "");
    check("with c as x.a: pass", "c x", "");
    check("with x as x: pass", "x", "x");
    check("async with a as b: await b", "a", "b");
}

#[test]
fn try_statements() {
    check("try: x = 1\nexcept E: y = x\nelse: z = y\nfinally: w = z", "E", "w x y z");
    check("try: pass\nexcept E as e: print(e)", "E", "");
    check("try: pass\nexcept E as e: print(e)\nprint(e)", "E e", "");
    check("try: pass\nexcept E as e: e = 1\nprint(e)", "E e", "");
    check("try: pass\nexcept E as e: pass\ne = 1\nprint(e)", "E", "e");
    check("e = 1\ntry: pass\nexcept E as e: pass\nprint(e)", "E", "e");
    check("try: pass\nexcept E as e: f = lambda: e", "E", "f");
    check("try: pass\nexcept E as e:\n    def f(): return e", "E", "f");
    check("def f(): return e\ntry: pass\nexcept E as e: pass", "E e?", "f");
    check("def f(): return e\ntry: pass\nexcept E as e: pass\ne = 1", "E", "e f");
    check("try: pass\nexcept (A, B) as e: pass\nexcept e: pass", "A B e", "");
    check("try: pass\nexcept* E as e: print(e)\ne", "E e", "");
    check("try: pass\nexcept E as e:\n    for e in xs: pass", "E xs", "");
    check("try: pass\nexcept E as e:\n    try: pass\n    except F as e: pass\n    print(e)", "E F", "");
    check("try: import a\nexcept ImportError: a = None\nuse(a)", "use", "a");
    check("try: pass\nexcept E as e: x = e\nprint(x)", "E", "x");
    check("def f():\n    try: pass\n    except E as e: pass\n    return e", "E?", "f");
    check("class A:\n    try: pass\n    except E as e: e\n    e", "E e", "A");
    check("def f():\n    global e\n    try: pass\n    except E as e: e\n    e", "E? e?", "f");
    check_deletes("try: pass\nexcept E as e: del e", "E", "", "");
}

#[test]
fn match_statements() {
    check("match s:\n    case x: x", "s", "x");
    check("match s:\n    case [a, *rest]: a, rest", "s", "a rest");
    check("match s:\n    case {'k': v, K.c: w, **kw}: v, w, kw", "K s", "kw v w");
    check("match s:\n    case P(x=0, y=yy) as p if g: yy, p", "P g s", "p yy");
    check("match s:\n    case a.b.c: d", "a d s", "");
    check("match s:\n    case (1 as n) | (2 as n): n", "s", "n");
    check("match s:\n    case _: _x", "_x s", "");
    check("match s:\n    case [_, *_]: pass", "s", "");
    check("match s:\n    case (x, x.y): pass", "s x", "x");
    check("match s:\n    case x if x: pass\n    case y: x", "s", "x y");
    check("match s:\n    case str(t) | C(t): t", "C s", "t");
    check("match = case = type = 1\nmatch, case, type", "", "case match type");
    check("def f(s):\n    match s:\n        case [x]: y = x\n    return x, y", "", "f");
    check("match a, b:\n    case -1 | 'x' | None | True: pass", "a b", "");
}

#[test]
fn deletion() {
    check_deletes("del x", "x", "", "x");
    check_deletes("x = 1; del x", "", "x", "x");
    check_deletes("x = 1; del x; x", "", "x", "x");
    check_deletes("del x; x = 1", "x", "x", "x");
    check_deletes("del x.a, y[i]", "i x y", "", "");
    check_deletes("del (a, [b, c])", "a b c", "", "a b c");
    check_deletes("def f(): del x", "", "f", "");
    check_deletes("def f():\n    global x\n    del x", "x?", "f", "x");
    check_deletes("class A:\n    x = 1\n    del x\n    y = x", "x", "A", "");
    check_deletes("if c: del x", "c x", "", "x");
}

#[test]
fn comprehensions() {
    check("[a for a in b]", "b", "");
    check("ys = [x*w for x in xs]; w = 2", "w xs", "w ys");
    check("[x for x in x]", "x", "");
    check("[x for y in x for x in y]", "x", "");
    check("[y for x in y for y in x]", "y", "");
    check("{k: v for k, v in d.items() if c(k)}", "c d", "");
    check("{a for a in b}", "b", "");
    check("g = (a for a in b if q); b = 1", "b q", "b g");
    check("[[b for b in a] for a in c]", "c", "");
    check("[a.x for a.x in b]", "a b", "");
    check("[f() async for f in g if await h]", "g h", "");
    check("[x for x in xs]; x", "x xs", "");
    check("[lambda: x for x in xs]", "xs", "");
    check("[lambda: w for x in xs]; w = 1", "xs", "w");
    check("def f(n): return [n for _ in n]", "", "f");
}

#[test]
fn functions() {
    check("def f(a, /, b, *c, d, **e): return a, b, c, d, e, f, g", "g?", "f");
    check("def f(): print(x); x = 1", "", "f");
    check("def f(): return x\nx = 1", "", "f x");
    check("def f(): return x", "x?", "f");
    check("x = 1\ndef f(): return x", "", "f x");
    check("def f(a=b): pass", "b", "f");
    check("def f(a=b): pass\nb = 1", "b", "b f");
    check("def f(x=x): return x", "x", "f");
    check("def f(x: x): return x", "x?", "f");
    check("def f(a: T = d, *b: U, **c: V) -> W: pass", "T? U? V? W? d", "f");
    check("def f(a: T): pass\nT = 1", "", "T f");
    check("def f(a: 'T') -> 'W': pass", "", "f");
    check("@d(e)\ndef f(): pass", "d e", "f");
    check("@f\ndef f(): pass", "f", "f");
    check("@d\ndef f(): pass\nd = 1", "d", "d f");
    check("def even(n): return odd(n)\ndef odd(n): return even(n)", "", "even odd");
    check("def f():\n    def g(): return x\n    x = 1\n    return g", "", "f");
    check("def f():\n    def g(): return x\n    return g", "x?", "f");
    check("def f():\n    import a.b, c as d\n    from e import g as h\n    return a, d, h, g", "g?", "f");
    check(
        "def f():\n    for a, b in c: pass\n    with d as e: pass\n    class K: pass\n    return a, b, e, K",
        "c? d?",
        "f",
    );
    check("async def f(): return await x", "x?", "f");
    check("def f(): yield x; yield from y", "x? y?", "f");
    check("def f():\n    if 0: x = 1\n    return x", "", "f");
    check("x\ndef f(): return x", "x", "f");
    check("def f(): return x\nx", "x", "f");
    check("def f(a, b=lambda: a): pass", "a?", "f");
    check("@d\nasync def f(x=e): pass", "d e", "f");
}

#[test]
fn lambdas() {
    check("f = lambda a, b=c: a + b + d", "c d?", "f");
    check("f = lambda: f()", "", "f");
    check("lambda x=x: x", "x", "");
    check("lambda *a, k=d, **kw: (a, k, kw, z)", "d z?", "");
    check("lambda: (lambda y: x + y)", "x?", "");
    check("xs.sort(key=lambda r: r[k])", "k? xs", "");
}

#[test]
fn global_and_nonlocal() {
    check("def f():\n    global n\n    n += 1", "n?", "f n");
    check("def f():\n    global cfg\n    cfg = {}\n    use(cfg)", "use?", "cfg f");
    check("def init():\n    global cfg\n    cfg = {}\ninit(); print(cfg)", "cfg", "cfg init");
    check("def f():\n    global x", "", "f");
    check("global x\nx = 1", "", "x");
    check("global x", "", "");
    check("def f():\n    global x\n    return x", "x?", "f");
    check("def f():\n    global _x\n    _x = 1", "", "_x f");
    check("def f():\n    global x\n    x = 1\ndef g(): return x", "x?", "f g x");
    check("def f():\n    global x\n    def x(): pass\n    class y: pass", "", "f x");
    check("def f():\n    global a, b\n    import a\n    for b in c: pass", "c?", "a b f");
    check("def f(x):\n    def g():\n        global x\n        return x\n    return g", "x?", "f");
    check("def f():\n    global x\n    x = 1\n    return [x for _ in x]", "", "f x");
    check("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y\n    return g", "y?", "f");
    check("class A:\n    global x\n    x = 1\nx", "", "A x");
    check("class A:\n    global x\n    y = x", "x", "A");
    check("def f():\n    class A:\n        global x\n        x = 1\n        y = x\nx", "x", "f x");
    check("def f():\n    global m\n    with o as m: pass\n    match q:\n        case [m]: pass", "o? q?", "f m");
}

#[test]
fn classes() {
    check("class A(B, metaclass=M, k=v): pass", "B M v", "A");
    check("class A: me = A", "A", "A");
    check("@d\nclass A: pass", "d", "A");
    check("class A:\n    x = 1\n    y = x", "", "A");
    check("class A:\n    y = x\n    x = 1", "x", "A");
    check("class A:\n    x = x", "x", "A");
    check("class A:\n    x = 1\n    def f(self): return x", "x?", "A");
    check("class A:\n    x = 1\n    f = lambda self: x", "x?", "A");
    check("class A:\n    x = 1\n    f = lambda self, x=x: x", "", "A");
    check("class A:\n    xs = []\n    y = 1\n    ys = [y for _ in xs]", "y", "A");
    check("class A:\n    x = 1\n    @x\n    def f(self, a=x): pass", "", "A");
    check("class A:\n    T = 1\n    def f(self, a: T) -> T: pass", "", "A");
    check("class A:\n    def f(self, a: T): pass\n    T = 1", "", "A");
    check("class A:\n    a: T\n    b: U = c\n    T = 1", "U? c", "A");
    check("class A:\n    x: int\n    y = x", "x", "A");
    check("class A:\n    def f(self): return A", "", "A");
    check("class A:\n    class B:\n        x = 1\n    class C(B): y = x", "x", "A");
    check("class A:\n    for i in xs: i\n    with c as d: d\n    import e\n    e", "c xs", "A");
    check("def f(p):\n    class A:\n        p = p\n    return A", "p?", "f");
    check("def f(p):\n    class A:\n        q = p\n    return A", "", "f");
    check("def f(p):\n    class A:\n        x = p\n        def m(self): return p, x", "x?", "f");
    check("class A: x = y\ny = 1", "y", "A y");
    check("def f():\n    class A: x = y\ny = 1", "", "f y");
    check("class A:\n    print(x)\n    del x", "x", "A");
    check("class A:\n    if c: x = 1\n    y = x", "c", "A");
}

#[test]
fn names_implicit_in_classes() {
    check("class A:\n    a = __module__, __qualname__\n    def f(self): return __class__, super().f", "", "A");
    check_builtins("class A:\n    def f(self): super()", "super?");
    check("__class__", "__class__", "");
    check("class A:\n    def f(self): return __module__", "__module__?", "A");
}

#[test]
fn private_names_are_mangled() {
    check("class A:\n    def f(self): return __x", "_A__x?", "A");
    check("class A:\n    __x = 1\n    y = __x", "", "A");
    check("class _A: x = __x", "_A__x", "_A");
    check("class __: x = __x", "__x", "__");
    check("class A: x = __x__", "__x__", "A");
    check("class A:\n    def f(self):\n        global __x\n        __x = 1", "", "A _A__x");
    check("class A:\n    class B: x = __y\n    z = __w", "_A__w _B__y", "A");
    check("class A:\n    def f(self, __p): return __p", "", "A");
    check("class A:\n    import __m\n    __m", "", "A");
    check("class A(__b): pass", "__b", "A");
    check("def f(): return __x\n__x", "__x", "f");
    check("class A:\n    def f(self): return self.__x, g(__k=1)", "g?", "A");
}

#[test]
fn imports() {
    check("import a", "", "a");
    check("import a.b", "", "a");
    check("import a.b as c", "", "c");
    check("import a, b.c, d as e", "", "a b e");
    check("from x import y", "", "y");
    check("from x import y as z, w", "", "w z");
    check("from . import a\nfrom .b import c\nfrom .. import d as e", "", "a c e");
    check("from __future__ import annotations", "", "");
    check("from __future__ import annotations as x", "", "");
    check("from .__future__ import x", "", "x");
    check("import numpy as np\nnp.array(x)", "x", "np");
    check("import _x", "", "_x");
    check("from m import (a,\n b,)", "", "a b");
}

#[test]
fn star_imports() {
    let analysis = analysed("from m import *\nprint(x)");
    assert!(analysis.star);
    assert_eq!((text(&analysis.reads).as_str(), analysis.writes.len()), ("x", 0));
    assert!(!analysed("from m import x").star);
}

#[test]
fn type_parameters() {
    check("def f[T](x: T) -> T: return T", "", "f");
    check("def f[T: B = D](x: T): pass", "B? D?", "f");
    check("def f[*Ts, **P](*a: *Ts, **k: P.kwargs): pass", "", "f");
    check("class A[T](B[T]): x: T", "B", "A");
    check("class A[T](Base): pass\nT", "Base T", "A");
    check("type X = Y", "Y?", "X");
    check("type X[T] = list[T] | U", "U?", "X");
    check("type X = X | None", "", "X");
    check("type X = Y\nY = 1", "", "X Y");
    check("class A:\n    K = 1\n    type X = K\n    def f[T: K](self, x: T): pass", "", "A");
    check("class A[T = D]: pass", "D?", "A");
    check("def f[T](x=T): pass", "T", "f");
    check("class A[T]:\n    def f(self) -> T: return T", "", "A");
    check("@d\ndef f[d](x: d): pass", "d", "f");
    check("type = 1; type\ntype.x", "", "type");
}

#[test]
fn formatted_strings() {
    check("f'{a}{b!r}{c:{d}.{e}}{f=}'", "a b c d e f", "");
    check("f'{{a}} {{{b}}}'", "b", "");
    check("'{a}'.format(); '%(b)s' % c", "c", "");
    check("f'{f\"{f'''{x}'''}\"}'", "x", "");
    check("'a' f'{b}' rf'{c}'", "b c", "");
    check("t'{a} {b:{c}}'", "a b c", "");
    check("f'{lambda_}{(lambda: q)}'", "lambda_ q?", "");
    check("f'''{\nx\n}'''", "x", "");
    check("f'{a[\"k\"]} {{n}}'", "a", "");
}

#[test]
fn top_level_async() {
    check("await x", "x", "");
    check("y = [await f(a) async for a in b]", "b f", "y");
    check("async with a as b:\n    async for c in b: await c", "a", "b c");
}

#[test]
fn builtins() {
    check(
        "print(len(xs), ValueError, __name__, __file__, get_ipython, display, In, Out, _, __, ___, _i, _3, _i4)",
        "xs",
        "",
    );
    check_builtins("list(x)", "list");
    check_builtins("list = 1; list", "");
    check_builtins("list; list = 1", "list");
    check_builtins("def f(): return input()", "input?");
    check_builtins("def f(): return input()\ninput()", "input");
    check("list = [1]", "", "list");
    check("max += 1", "", "max");
    check_builtins("max += 1", "max");
    check("id = 1\nid", "", "id");
    check("_x", "_x", "");
    check("_x = 1", "", "_x");
    check("__x", "__x", "");
    check("_, y = f()", "f", "_ y");
}

#[test]
fn opaque_code() {
    let dynamic = |code: &str| analysed(code).dynamic;
    for code in ["exec(s)", "eval('x')", "globals()['x'] = 1", "locals()", "vars()", "setattr(module, 'x', 1)"] {
        assert!(dynamic(code), "{code}");
    }
    for code in ["def f(): return eval(x)", "%run other.py", "vars(m)", "delattr(m, n)", "map(eval, xs)"] {
        assert!(dynamic(code), "{code}");
    }
    for code in [
        "df.eval('x')",
        "eval = 1\neval(2)",
        "def f(self): setattr(self, 'x', 1)",
        "x = 1",
        "!ls",
        "%matplotlib inline",
    ] {
        assert!(!dynamic(code), "{code}");
    }
}

#[test]
fn magics_and_shell_lines() {
    check("%matplotlib inline\nx = 1", "", "x");
    check("!ls -l\nx = y", "y", "x");
    check("x = !ls\nprint(x)", "", "x");
    check("x = %sql select 1", "", "x");
    check("a, b = !ls", "", "a b");
    check("foo?\n?foo\nfoo??\nx", "x", "");
    check("if c:\n    %time f()\n    !ls {x}\ny = 1", "c f", "y");
    check("for i in xs:\n    !echo $i", "xs", "i");
    check("!!ls\n%cd ..\n%alias_magic t timeit\nx", "x", "");
    check("x = '''\n%not magic\n!neither\n'''", "", "x");
    check("x = (a\n%b)", "a b", "x");
    check("x = a \\\n%b", "a b", "x");
    check("%pip install a b --quiet\nimport a", "", "a");
    check("!pip install \\\n  numpy\nx", "x", "");
    check("df.head?\nx", "x", "");
}

#[test]
fn cell_magics() {
    check("%%time\nx = y", "y", "x");
    check("\n\n%%time\nx = y", "y", "x");
    check("%%time\r\nx = y", "y", "x");
    check("%%capture out\nx = y", "y", "out x");
    check("%%capture --no-stderr out\nx", "x", "out");
    check("%%capture\nx = y", "y", "x");
    check("%%capture out\nprint(out)", "out", "out");
    check("%%time\n%%capture out\nx = y", "y", "out x");
    check("%%timeit\nz = y\nz", "y", "");
    check("%%timeit -n 10 -r3 a = b\na + c", "b c", "");
    check("%%timeit -n10\na", "a", "");
    check("%%timeit", "", "");
    check("%%prun\nx = y", "y", "x");
    for magic in ["bash", "html", "writefile f.py", "sql", "unknown", "javascript", "latex", "markdown", "sh", "%"] {
        check(&format!("%%{magic}\nx = y (\n'"), "", "");
    }
    check("%%bash --out listing --err problems\nls", "", "listing problems");
    check("%%time?", "", "");
    check("x = 1\n%%time\ny = 2", "", "x y");
}

#[test]
fn identifiers_and_line_ends() {
    check("ﬁ = ｘ", "x", "fi");
    check("été = naïve", "naïve", "été");
    check("\u{feff}x = y", "y", "x");
    check("\u{feff}%%time\nx = y", "y", "x");
    check("x = a\r\ny = b\r\n", "a b", "x y");
    check("x = a\ry = b\r", "a b", "x y");
    check("if c:\r\n    x = 1\r\n", "c", "x");
    check("if c:\n\tx = 1", "c", "x");
    check("x = 'a\u{a0}b' # \u{a0}", "", "x");
    check("x = 1\x0c\ny = x", "", "x y");
}

#[test]
fn blanks_from_pasting_are_errors_but_hide_no_names() {
    for blank in ['\u{a0}', '\u{2009}', '\u{3000}', '\u{200b}'] {
        let code = format!("if c:\n{blank}{blank}x{blank}={blank}y\nz = 'w'\n");
        let analysis = analyse(CellType::Python, &code);
        let error = analysis.error().expect("Python refuses it");
        assert!(!error.message.contains(blank), "invisible in {:?}", error.message);
        let expected = if blank == '\u{200b}' { "z" } else { "x z" };
        assert!(analysis.writes.join(" ").ends_with(expected), "{:?} of {code:?}", analysis.writes);
        assert_eq!(text(&analysis.reads), "c y", "{code:?}");
    }
}

#[test]
fn other_expressions() {
    check("a if b else c", "a b c", "");
    check("(x := 1) if x else 2", "x", "x");
    check("a < b < c and d or not e", "a b c d e", "");
    check("f(*a, k=b, **c)", "a b c f", "");
    check("{**a, b: c}, {*d}", "a b c d", "");
    check("a[b:c:d, ..., *e]", "a b c d e", "");
    check("a.b.c().d", "a", "");
    check("assert a, b\nraise c from d", "a b c d", "");
    check("-a ** ~b @ c // d", "a b c d", "");
    check("print(x, y, x)", "x y", "");
}

#[test]
fn results_are_sorted() {
    let analysis = analysed("z = b\na = c\nB = A\ndel q, p");
    assert_eq!(text(&analysis.reads), "A b c p q");
    assert_eq!(analysis.writes.join(" "), "B a z");
    assert_eq!(analysis.deletes.join(" "), "p q");
}

#[test]
fn broken_code_gives_an_error_and_the_names_that_parse() {
    let broken = |code: &str, reads: &str, writes: &str| {
        let analysis = analyse(CellType::Python, code);
        assert!(analysis.error().is_some(), "{code:?}");
        assert_eq!(
            (text(&analysis.reads).as_str(), analysis.writes.join(" ").as_str()),
            (reads, writes),
            "in {code:?}"
        );
    };
    broken("x = 1\ny = (x +\nz = 3", "z", "x y");
    broken("x = ", "", "x");
    broken("def f(", "", "f");
    broken("class A", "", "A");
    broken("import ", "", "");
    broken("from a import ", "", "");
    broken("for i in", "", "i");
    broken("a.", "a", "");
    broken("f'{", "", "");
    broken("x = 'abc", "", "x");
    broken("if x\n    y = 1", "x", "y");
    broken("x\0y", "x y", "");
    broken("x = 1\n  y = 2", "", "x y");
}

#[test]
fn errors_have_positions() {
    let first = |code: &str| {
        let analysis = analyse(CellType::Python, code);
        let error = analysis.error().expect("an error").clone();
        (error.line, error.column, error.offset)
    };
    assert_eq!(first("x = 1\ny = )"), (2, 5, 10));
    assert_eq!(first("é = )"), (1, 5, 5));
    assert_eq!(first("x = 1\r\ny = )"), (2, 5, 11));
    assert_eq!(first("%%time\ny = )"), (2, 5, 11), "lines count from the beginning of the cell");
    assert_eq!(first("\u{feff}y = )"), (1, 5, 7));
    assert_eq!(first("x = ("), (1, 6, 5));
}

#[test]
fn a_global_store_satisfies_only_its_own_body() {
    check("def f():\n global x\n x = 1\n def g(): return x", "x?", "f x");
    check("def f():\n global x\n x = 1\n class A: y = x", "", "f x");
    check("def f():\n global x\n x = 1\n return [x for _ in y]", "y?", "f x");
}

#[test]
fn magics_on_the_right_are_looked_at() {
    assert!(analysed("x = %run other.py").dynamic);

    assert!(!analysed("x = %pwd").dynamic);
}

/// `IPython` removes the indentation of a whole cell.
#[test]
fn a_cell_may_be_indented_as_a_whole() {
    check("    x = y\n    z = x", "y", "x z");
    check("\n\n  x = y\n  def f(): return w\n", "w? y", "f x");
    check("\tfor i in xs:\n\t\tprint(i)", "xs", "i");
    check("    # only a comment", "", "");
    let broken = analyse(CellType::Python, "  x = 1\n  y = (x +");
    let error = broken.error().unwrap();
    assert_eq!((error.line, broken.writes.join(" ").as_str()), (2, "x y"));
    // Blanks that not all lines have are not an indentation of the cell.
    for code in ["x = 1\n  y = 2", "    x = 1\ny = x"] {
        assert!(analyse(CellType::Python, code).error().is_some());
    }
}
