"""What the types in the debug information spare the stack analysis: calls that cannot happen."""

from __future__ import annotations

import pytest

from generator.toolchain.stack import StackUse, stack_use

from .conftest import Build

NOINLINE = "#define FN __attribute__((noinline, noipa))\n"


def reached(use: StackUse) -> set[str]:
    return set(use.frames)


# Each calls a pointer of type int(int) in another way. Were `restart`, of type void(void), a target as well,
# the program would be recursive; `twin` is one, being of the same type.
WAYS = {
    "variable": "int (*way)(int) = twin; FN int go(int x) { return way(x); }",
    "argument": "FN int apply(int (*f)(int), int x) { return f(x) + f(x + 1); }"
    "int (*volatile way)(int) = twin; FN int go(int x) { return apply(way, x); }",
    "second argument": "FN int apply(long long x, int (*f)(int)) { return f((int)x) + f(3); }"
    "int (*volatile way)(int) = twin; FN int go(int x) { return apply(x, way); }",
    "member": "struct ops { int a; int (*way)(int); }; struct ops ops = {1, twin};"
    "FN int call(struct ops *o, int x) { return o->way(x) + o->a; }"
    "FN int go(int x) { return call(&ops, x); }",
    "member of a member": "struct in { char c; int (*way)(int); }; struct out { short s; struct in in[2]; };"
    "struct out o = {1, {{2, twin}, {3, twin}}}; struct box { struct out *out; } box = {&o};"
    "FN int call(struct box *b, int x) { return b->out->in[1].way(x) + 1; }"
    "FN int go(int x) { return call(&box, x); }",
    "table": "int (*ways[3])(int) = {twin, twin, twin}; FN int go(int x) { return ways[x](x) + 1; }",
    "constant table": "static int (*const ways[3])(int) = {twin, twin, twin};"
    "FN int go(int x) { int s = 0; for (int i = 0; i < x; i++) s += ways[i](x); return s; }",
    "result": "int (*way)(int) = twin; FN int (*choose(void))(int) { return way; }"
    "FN int go(int x) { return choose()(x) + 1; }",
    "unless null": "int (*way)(int) = twin; FN int go(int x) { if (way) { return way(x) + 1; } return 0; }",
    "spilled": "int (*way)(int) = twin; FN int go(int x) { volatile int v[8]; int (*f)(int) = way; int s = 0;"
    "for (int i = 0; i < x; i++) { v[i] = x; s += f(i) * v[0] + v[1] * x + f(v[2]); } return s; }",
}
PROGRAM = (
    NOINLINE
    + """
    FN int twin(int x) {{ volatile char room[200]; room[x] = 1; return room[x + 1]; }}
    int go(int x);
    FN void restart(void) {{ sink = go(sink); }}
    void (*other)(void) = restart;
    {way}
    void Reset_Handler(void) {{ restart(); other(); for (;;) {{ }} }}
    """
)


@pytest.mark.parametrize("optimisation", ["-O0", "-Os", "-O2"])
@pytest.mark.parametrize("way", WAYS)
def test_pointers_reach_functions_of_their_type_alone(firmware: Build, way: str, optimisation: str) -> None:
    use = stack_use(firmware(PROGRAM.format(way=WAYS[way]), "-g", optimisation))
    assert use.problems == ()
    assert "twin" in reached(use)
    assert use.frames["twin"] >= 200
    assert use.total_bytes is not None
    assert use.total_bytes >= 200


def test_without_debug_information_all_stay_possible(firmware: Build) -> None:
    use = stack_use(firmware(PROGRAM.format(way=WAYS["variable"])))
    assert use.total_bytes is None
    assert "by an indirect call" in use.problems[0]


def test_types_that_function_pointers_may_mix_are_one(firmware: Build) -> None:
    """Signedness, enumerations, qualifiers and typedefs do not keep a function from being called."""
    source = (
        NOINLINE
        + """
        enum result { GOOD, BAD } __attribute__((packed));
        enum wide { LOW = -1, HIGH = 1 << 20 };
        typedef const volatile char *text;
        FN enum wide target(unsigned x, text t) { volatile char room[300]; room[x] = *t; return room[x + 1]; }
        int (*way)(int, const volatile char *) = (int (*)(int, const volatile char *))target;
        void Reset_Handler(void) { sink = way(sink, "a"); for (;;) { } }
        """
    )
    use = stack_use(firmware(source, "-g"))
    assert [f.function for f in use.chain] == ["Reset_Handler", "target"]


def test_functions_without_debug_information_stay_possible(firmware: Build) -> None:
    assembly = """
    .global bare
    .type bare, %function
    bare:
        sub sp, #504
        add sp, #504
        bx lr
    """
    source = """
    void bare(void);
    void (*way)(void) = bare;
    void Reset_Handler(void) { way(); for (;;) { } }
    """
    use = stack_use(firmware(source, "-g", assembly=assembly))
    assert [f.function for f in use.chain] == ["Reset_Handler", "bare"]


@pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5"])
def test_type_table(firmware: Build, dwarf: str) -> None:
    source = """
    struct pair { int key; int *value; };
    int number; struct pair pairs[4] = {{1, &number}};
    __attribute__((section(".itcm"), noinline, noipa))
    struct pair *at_zero(struct pair *p, float f, long long l) { return p + (int)f + (int)l + number; }
    int collected(int x) { return x; }
    void Reset_Handler(void) { sink = at_zero(pairs, 1.f, 2)->key; for (;;) { } }
    """
    image = firmware(source, dwarf)
    types = image.types
    zero = types.function(0)
    assert zero is not None
    assert zero.type.name == "structure_type pair*(structure_type pair*, float32, int64)"
    assert zero.result is not None
    assert zero.result.name == "structure_type pair"
    # The float goes to s0, the 64-bit argument to r2 and r3.
    assert [a and a.name for a in zero.arguments] == ["structure_type pair", None, None, None]
    pairs = image.symbols["pairs"].address
    found = types.object_at(pairs + 12)
    assert found is not None
    assert (found[0].name, found[1]) == ("structure_type pair", 4)
    pointee = types.pointee_in(*found)
    assert pointee is not None
    assert pointee.name == "int32"
    assert types.pointee_in(found[0], 0) is None
    assert types.object_at(pairs + 32) != found
    assert types.object_at(0x30000000) is None
