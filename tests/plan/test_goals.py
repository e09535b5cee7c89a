"""What a plan is good at: choice, places and shared code follow the goal and stay within the budgets."""

from __future__ import annotations

import pytest

from generator.fuse import fuse
from generator.graph import Graph
from generator.plan import OPTIMIZE, Goal, Plan, make_plan
from generator.read import read_tflite_bytes
from generator.targets import clock_tree, load_board, memory_costs
from tests.plan.networks import Network

BOARD = load_board("nucleo_h743zi2")
COSTS = memory_costs(BOARD.part, clock_tree(BOARD, 480))


def _graph(largest: int = 127) -> Graph:
    """A large layer, many small ones that are alike, and a wide dense layer; weights within ``largest``."""
    net = Network(3, largest)
    source = net.activation(1, 24, 24, 16)
    net_tensor = net.conv(source, 32)
    net_tensor = net.conv(net_tensor, 32)
    net_tensor = net.conv(net_tensor, 32, stride=2)
    for _ in range(4):
        net_tensor = net.conv(net_tensor, 8 if _ % 2 else 12, kernel=1)
    result = net.dense(net_tensor, 24)
    return fuse(read_tflite_bytes(net.finish([source], [result]), "net", "net"))


def _plan(optimize: str, **budgets: int) -> Plan:
    return make_plan(_graph(), BOARD.part, costs=COSTS, goal=Goal(optimize, **budgets))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {optimize: _plan(optimize) for optimize in OPTIMIZE}


def _ram_bytes(plan: Plan) -> int:
    return plan.arena_bytes + sum(c.size_bytes for c in plan.constants if c.region != "FLASH")


def test_each_goal_is_best_at_what_it_names(plans: dict[str, Plan]) -> None:
    assert plans["time"].estimated_cycles == min(p.estimated_cycles for p in plans.values())
    assert _ram_bytes(plans["ram"]) == min(map(_ram_bytes, plans.values()))
    assert plans["flash"].weights_bytes == min(p.weights_bytes for p in plans.values())
    assert plans["time"].estimated_cycles < plans["ram"].estimated_cycles
    assert plans["ram"].arena_bytes < plans["time"].arena_bytes


def test_weights_of_four_bits_take_half_the_flash_where_that_is_worth_it(plans: dict[str, Plan]) -> None:
    fits = _graph(largest=7)
    flash, time = (make_plan(fits, BOARD.part, costs=COSTS, goal=Goal(o)) for o in ("flash", "time"))
    assert all(step.kernel.name.endswith("_s4") for step in (*flash.steps[:3], flash.steps[-1]))
    assert flash.weights_bytes < 0.6 * plans["flash"].weights_bytes
    assert sum(step.weights_bytes for step in flash.steps) == flash.weights_bytes
    budget = plans["flash"].weights_bytes + (40 << 10)
    fastest_within = make_plan(fits, BOARD.part, costs=COSTS, goal=Goal("time", flash_bytes=budget))
    assert time.weights_bytes > plans["flash"].weights_bytes >= fastest_within.weights_bytes
    assert fastest_within.estimated_cycles < flash.estimated_cycles
    packed = [a for step in time.steps for a in step.kernel.alternatives if a.kernel.endswith("_s4")]
    assert any("B less flash" in alternative.why_not for alternative in packed)


def test_ram_copies_nothing_and_every_copy_says_what_it_saves(plans: dict[str, Plan]) -> None:
    assert {c.region for c in plans["ram"].constants} == {"FLASH"}
    copied = [c for c in plans["time"].constants if c.region != "FLASH"]
    assert copied
    for constant in copied:
        assert constant.saved_cycles > 0
        assert f"{constant.saved_cycles:,}" in constant.why


def test_a_ram_budget_bounds_what_is_copied(plans: dict[str, Plan]) -> None:
    reserve = 16 << 10  # make_plan's own for stack, data and buffers
    budget = plans["time"].arena_bytes + reserve + 3000
    tight = _plan("time", ram_bytes=budget)
    assert _ram_bytes(tight) < _ram_bytes(plans["time"])
    assert _ram_bytes(tight) + reserve <= budget
    assert any("RAM budget" in c.why for c in tight.constants)
    assert _plan("time", ram_bytes=1 << 20) == plans["time"]


def test_a_flash_budget_bounds_the_constants(plans: dict[str, Plan]) -> None:
    least, most = plans["flash"].weights_bytes, plans["time"].weights_bytes
    assert least < most
    budget = (least + most) // 2 + (40 << 10)  # beside what the firmware itself takes
    assert _plan("time", flash_bytes=budget).weights_bytes + (40 << 10) <= budget


def test_small_steps_that_are_alike_share_a_kernel(plans: dict[str, Plan]) -> None:
    plan = plans["balanced"]
    assert plan.shared_kernels
    assert not plans["time"].shared_kernels
    for kernel in plan.shared_kernels:
        users = [step for step in plan.steps if step.shared_kernel == kernel]
        assert len(users) >= 3
        for step in users:
            params = dict(step.params)
            assert set(params) == {*dict(kernel.common), *kernel.varying}
            assert all(params[name] == value for name, value in kernel.common)
            assert all(params[name].lstrip("-").isdigit() for name in kernel.varying)
            assert step.kernel.function == kernel.function
