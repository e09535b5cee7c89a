from __future__ import annotations

from collections.abc import Callable

import pytest

from generator.errors import UsageError
from generator.toolchain.stack import EXCEPTION_FRAME_BYTES, stack_use

from .conftest import Build

NOINLINE = "#define FN __attribute__((noinline, noipa))\n"

KINDS = (
    NOINLINE
    + """
    #include <string.h>
    FN int leaf(int x) { return x + sink; }
    FN int saves(int a, int b, int c, int d) { return leaf(a) + leaf(b) * leaf(c) - leaf(d); }
    FN int buffer(int x) { volatile char room[300]; room[x] = 1; return leaf(room[x + 1]); }
    FN int huge(int x) { volatile char room[9000]; room[x] = 1; return leaf(room[x + 1]); }
    FN float floats(float a, float b)
    {
        float c = (float)leaf(1), d = a * b + c;
        d += (float)leaf(2) * a; d += (float)leaf(3) * b; d += (float)leaf(4) * c;
        return d + a;
    }
    FN int variadic(int n, ...)
    {
        __builtin_va_list list; __builtin_va_start(list, n);
        int s = 0; while (n--) s += leaf(__builtin_va_arg(list, int));
        __builtin_va_end(list); return s;
    }
    FN int switches(int x)
    {
        switch (x) {
        case 0: return leaf(9);
        case 1: return buffer(3);
        case 2: return leaf(2) * leaf(1);
        case 3: return huge(3);
        case 4: return (int)floats(3.f, 4.f);
        case 5: return saves(1, 2, 3, 4);
        case 6: return leaf(99) + 7;
        default: return variadic(3, 1, 2, 3);
        }
    }
    struct big { int values[40]; };
    FN struct big by_value(struct big b) { b.values[3] += leaf(1); return b; }
    FN int shrink_wrapped(int x)
    {
        if (x < 3) return x;
        int a = leaf(x), b = leaf(a);
        return a * b + buffer(b);
    }
    FN int tail(int x) { volatile char room[64]; room[x] = 2; x = room[x]; return buffer(x); }
    FN long long divides(long long a, long long b) { return a / b; }
    void Reset_Handler(void)
    {
        struct big b; memset(&b, sink, sizeof b); b = by_value(b);
        sink = switches(sink) + shrink_wrapped(sink) + tail(sink) + b.values[sink];
        sink += (int)divides(sink, sink + 3LL);
        for (;;) { }
    }
    """
)


@pytest.mark.parametrize(
    "flags", [("-O0",), ("-Os",), ("-O2",), ("-O3",), ("-O2", "-fno-omit-frame-pointer")]
)
def test_never_below_what_the_compiler_says(
    firmware: Build, compiler_frames: Callable[[], dict[str, int]], flags: tuple[str, ...]
) -> None:
    use = stack_use(firmware(KINDS, *flags))
    assert use.problems == ()
    expected = compiler_frames()
    assert len(expected) >= 12
    for name, frame_bytes in expected.items():
        assert use.frames[name] >= frame_bytes, name
    # And close to it: an analysis that answers a megabyte would never be below either.
    for name, frame_bytes in expected.items():
        assert use.frames[name] <= frame_bytes + 16, name
    assert [f.function for f in use.chain][:3] == ["Reset_Handler", "switches", "huge"]
    assert use.total_bytes == sum(f.frame_bytes for f in use.chain)
    if flags == ("-O0",):  # optimised code jumps to the last callee, and its caller's frame is gone
        assert use.total_bytes >= sum(expected[n] for n in ("Reset_Handler", "switches", "huge", "leaf"))


def test_library_functions_without_compiler_figures_count(
    firmware: Build, compiler_frames: Callable[[], dict[str, int]]
) -> None:
    use = stack_use(firmware(KINDS))
    assert "__aeabi_ldivmod" in use.frames
    assert "__udivmoddi4" not in compiler_frames()
    assert use.frames["__udivmoddi4"] >= 16


def test_a_jump_to_another_function_does_not_stack_its_caller(firmware: Build) -> None:
    source = (
        NOINLINE
        + """
        FN int last(int x) { volatile char room[400]; room[x] = 1; return room[x + 1]; }
        FN int first(int x) { volatile char room[200]; room[x] = 1; return last(room[x + 1]); }
        void Reset_Handler(void) { sink = first(sink); for (;;) { } }
        """
    )
    use = stack_use(firmware(source, "-O2"))
    assert use.frames["first"] >= 200
    assert use.total_bytes is not None
    assert 400 < use.total_bytes < 400 + 200


def test_indirect_calls_reach_every_address_taken(firmware: Build) -> None:
    source = (
        NOINLINE
        + """
        FN static int small(int x) { return x + sink; }
        FN static int large(int x) { volatile char room[500]; room[x] = 1; return room[x + 1]; }
        FN static int by_literal(int x) { volatile char room[700]; room[x] = 1; return room[x + 1]; }
        FN static int never_taken(int x) { volatile char room[5000]; room[x] = 1; return room[x + 1]; }
        typedef int (*step)(int);
        static const step steps[] = {small, large};
        step kept;
        void Reset_Handler(void)
        {
            kept = by_literal;
            if (sink == 77) { for (int i = 0; i < 2; i++) sink = steps[i](sink); }
            else { sink = kept(sink); }
            for (;;) { if (sink == 78) { never_taken(sink); } }
        }
        """
    )
    use = stack_use(firmware(source))
    assert use.problems == ()
    assert use.frames["large"] >= 500
    assert use.chain[-1].function == "never_taken"
    only_indirect = stack_use(firmware(source.replace("never_taken(sink);", "sink++;")))
    assert only_indirect.chain[-1].function == "by_literal"
    assert only_indirect.total_bytes is not None
    assert 700 <= only_indirect.total_bytes < 1000


def test_movw_movt_addresses_are_taken(firmware: Build) -> None:
    source = (
        NOINLINE
        + """
        FN static int target(int x) { volatile char room[640]; room[x] = 1; return room[x + 1]; }
        int (*kept)(int);
        void Reset_Handler(void)
        { kept = target; __asm volatile("" ::: "memory"); sink = kept(sink); for (;;) { } }
        """
    )
    image = firmware(source, "-mslow-flash-data")
    use = stack_use(image)
    assert use.chain[-1].function == "target"


@pytest.mark.parametrize(
    ("source", "cycle"),
    [
        ("FN int again(int x) { return x < 2 ? x : again(x - 1) * again(x - 2); }", "again -> again"),
        (
            "int b(int); FN int again(int x) { return x ? b(x - 1) + 1 : 0; }"
            "FN int b(int x) { return x ? again(x - 1) + 2 : 1; }",
            "again -> b -> again",
        ),
    ],
)
def test_recursion_is_named(firmware: Build, source: str, cycle: str) -> None:
    image = firmware(NOINLINE + source + "void Reset_Handler(void) { sink = again(sink); for (;;) { } }")
    use = stack_use(image)
    assert use.total_bytes is None
    assert use.problems == (f"recursion: {cycle}",)


def test_a_frame_without_a_bound_is_named(firmware: Build) -> None:
    source = (
        NOINLINE
        + """
        FN int varies(int n) { volatile char room[n]; room[n / 2] = 1; return room[n / 3]; }
        void Reset_Handler(void) { sink = varies(sink); for (;;) { } }
        """
    )
    use = stack_use(firmware(source, "-g"))
    assert use.total_bytes is None
    assert len(use.problems) == 1
    assert "varies (program.c:" in use.problems[0]
    assert "variable-length array" in use.problems[0]


def test_the_deepest_handler_is_added_once(firmware: Build) -> None:
    source = (
        NOINLINE
        + """
        FN void work(void) { volatile char room[250]; room[sink] = 1; sink = room[sink + 1]; }
        void Quiet_Handler(void) { sink++; }
        void Busy_Handler(void) { work(); sink++; }
        void Reset_Handler(void) { work(); for (;;) { } }
        """
    )
    use = stack_use(firmware(source, handlers=("Quiet_Handler", "Busy_Handler")))
    assert [f.function for f in use.handler_chain] == ["exception entry", "Busy_Handler", "work"]
    assert use.handler_chain[0].frame_bytes == EXCEPTION_FRAME_BYTES == 108
    chains = sum(f.frame_bytes for f in (*use.chain, *use.handler_chain))
    assert use.total_bytes == chains
    without = stack_use(firmware(source))
    assert without.handler_chain == ()
    assert without.total_bytes is not None
    assert use.total_bytes > without.total_bytes + 108 + 250


def test_handlers_are_no_target_of_indirect_calls(firmware: Build) -> None:
    """Else every program with a function pointer and a handler that restarts would look recursive."""
    source = """
    int (*kept)(int); static int next(int x) { return x + sink; }
    void Restart_Handler(void) { Reset_Handler(); }
    void Reset_Handler(void) { kept = next; __asm volatile("" ::: "memory"); sink = kept(1); for (;;) { } }
    """
    use = stack_use(firmware(source, handlers=("Restart_Handler",)))
    assert use.problems == ()


def test_aligned_stacks_of_interrupt_functions_are_followed(firmware: Build) -> None:
    source = (
        NOINLINE
        + """
        FN void work(void) { volatile char room[100]; room[sink] = 1; sink = room[sink + 1]; }
        __attribute__((interrupt)) void Tick_Handler(void) { work(); }
        void Reset_Handler(void) { for (;;) { } }
        """
    )
    use = stack_use(firmware(source, handlers=("Tick_Handler",)))
    assert use.problems == ()
    assert 8 <= use.frames["Tick_Handler"] <= 40


def test_hand_written_assembly(firmware: Build) -> None:
    assembly = """
    .global odd
    .type odd, %function
    odd:
        push {r4, r5, lr}
        str r6, [sp, #-4]!
        vpush {d8-d10}
        stmdb sp!, {r7, r8}
        strd r0, r1, [sp, #-8]!
        sub sp, #24
        movw r4, #2000
        sub sp, sp, r4
        bl inner
        add sp, sp, r4
        add sp, #24
        ldrd r0, r1, [sp], #8
        ldmia sp!, {r7, r8}
        vpop {d8-d10}
        ldr r6, [sp], #4
        pop {r4, r5, pc}
    inner:
        push {r4-r7}
        pop {r4-r7}
        bx lr
    """
    image = firmware("void odd(void); void Reset_Handler(void) { odd(); for (;;) { } }", assembly=assembly)
    use = stack_use(image)
    assert use.problems == ()
    own = 12 + 4 + 24 + 8 + 8 + 24 + 2000
    assert use.frames["odd"] == own


def test_a_loop_that_pushes_is_refused(firmware: Build) -> None:
    assembly = """
    .global grows
    .type grows, %function
    grows:
    1:  push {r0}
        subs r1, #1
        bne 1b
        bx lr
    """
    use = stack_use(firmware("void grows(void); void Reset_Handler(void) { grows(); }", assembly=assembly))
    assert use.total_bytes is None
    assert "grows" in use.problems[0]


def test_code_that_runs_from_ram_is_called_through_veneers(firmware: Build) -> None:
    source = """
    __attribute__((section(".itcm"), noinline)) int fast(int x)
    { volatile char room[320]; room[x] = 1; return room[x + 1]; }
    void Reset_Handler(void) { sink = fast(sink); for (;;) { } }
    """
    use = stack_use(firmware(source))
    assert [f.function for f in use.chain][-1] == "fast"
    assert use.total_bytes is not None
    assert use.total_bytes >= 320


def test_another_entry_can_be_asked_for(firmware: Build) -> None:
    image = firmware(KINDS)
    assert stack_use(image, entry="leaf").total_bytes == 0
    with pytest.raises(UsageError, match="no function nowhere"):
        stack_use(image, entry="nowhere")


@pytest.mark.parametrize("optimisation", ["-O0", "-Os", "-O2"])
def test_the_bound_holds_and_is_reached_when_run(firmware: Build, optimisation: str) -> None:
    """On the emulated core, with a painted stack: as deep as said on the deepest way."""
    from generator.emulator import Machine
    from generator.targets import load_board

    source = (
        NOINLINE
        + """
        FN int floats(float a, float b)
        { volatile float room[30]; for (int i = 0; i < 30; i++) { room[i] = a * (float)i + b; }
          return (int)room[7]; }
        FN int many(int a, int b, int c, int d, int e, int f)
        { return floats((float)a, (float)b) + floats((float)c, (float)d) * e - f; }
        FN int shallow(int x) { return x + sink; }
        FN int deep(int x)
        { volatile int room[50]; for (int i = 0; i < 50; i++) room[i] = x;
          return room[3] + many(x, 2, 3, 4, 5, 6) + shallow(x); }
        int (*way)(int) = deep;
        volatile int finished;
        void Reset_Handler(void)
        { *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: the FPU on */
          __asm volatile("dsb; isb" ::: "memory");
          way = deep; sink = way(sink) + shallow(1); finished = 1; for (;;) { sink++; } }
        """
    )
    image = firmware(source, "-g", optimisation)
    bound = stack_use(image).total_bytes
    machine = Machine(image, load_board("nucleo_h743zi2"))
    top = image.symbols["_estack"].address
    machine.write_memory(top - 4096, b"\xa5" * 4096)
    machine.run(20_000)
    assert machine.read_memory(image.symbols["finished"].address, 4) == b"\x01\x00\x00\x00"
    painted = machine.read_memory(top - 4096, 4096)
    used = 4096 - (len(painted) - len(painted.lstrip(b"\xa5")))
    assert bound is not None
    # What a frame keeps free at its lower end is not touched.
    assert bound - 24 <= used <= bound
