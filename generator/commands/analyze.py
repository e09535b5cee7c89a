"""``analyze``: the plan, without building anything."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from generator.commands import options, road
from generator.commands.engine import operator_label
from generator.commands.output import Output, output_options
from generator.graph import operator_macs
from generator.plan import Optimize
from generator.render import Engine
from generator.report.plan_tables import constants_of, fitting_parts, print_interpreter, print_plan
from generator.report.simplification import describe, print_removal


@click.command()
@options.model_argument
@options.board_option
@options.engine_option
@options.clock_option
@options.settings_option
@options.optimize_option
@output_options
def analyze(
    model: str,
    board: str,
    engine: Engine,
    clock_mhz: int | None,
    settings: Path | None,
    optimize: Optimize,
    output: Output,
) -> None:
    """Show how MODEL would be laid out: steps, kernels and why, memory map, what it needs and where it fits.

    Writes nothing. Cycles are estimates from the plan alone.
    """
    target = road.choose_target(board, clock_mhz, engine)
    planned = road.plan_model(model, settings, target, optimize)
    if not target.engine.is_native:
        output.json(interpreter_as_json(planned))
        print_interpreter(planned.as_read, planned.interpreter, output.results)
        return
    output.json(plan_as_json(planned, target.clock.sysclk_hz))
    print_plan(planned.plan, target.board.part, output.results)
    print_removal(describe(planned.removal), planned.removal.macs, output.results)


def interpreter_as_json(planned: road.Planned) -> dict[str, object]:
    """What the interpreter would be given. It has no plan of its own: nothing is estimated but its arena."""
    graph, interpreter = planned.as_read, planned.interpreter
    return {
        "model": {
            "name": graph.name,
            "sha256": graph.sha256,
            "macs": planned.removal.macs,
            "parameters": planned.removal.parameters,
            "weights_bytes": len(planned.source.data),
        },
        "engine": "tflm",
        "part": planned.plan.part,
        "arena": {
            "bytes": interpreter.arena_bytes,
            "region": interpreter.arena_region,
            "why": interpreter.arena_why,
            "fits": interpreter.arena_fits,
        },
        "resolver": list(interpreter.operators),
        "layers": [
            {
                "index": index,
                "name": operator_label(operator),
                "op": operator.name,
                "inputs": [list(t.shape) for t in graph.activations_in(operator)],
                "output": list(graph.result(operator).shape),
                "macs": operator_macs(graph, operator),
                "kernel": "tflm",
                "estimated_cycles": None,
                "memory": interpreter.arena_region,
            }
            for index, operator in enumerate(graph.operators)
        ],
    }


def plan_as_json(planned: road.Planned, cpu_hz: int) -> dict[str, object]:
    """The plan without its constants' values."""
    plan, removal = planned.plan, planned.removal
    return {
        "model": {
            "name": plan.name,
            "sha256": plan.model_sha256,
            "macs": removal.macs,
            "parameters": removal.parameters,
            "weights_bytes": plan.weights_bytes,
        },
        "simplification": describe(removal).model_dump(mode="json"),
        "engine": "native",
        "part": plan.part,
        "arena": {
            "bytes": plan.arena_bytes,
            "lower_bound_bytes": plan.arena_lower_bound_bytes,
            "region": plan.arena_region,
            "why": plan.arena_why,
            "fits": plan.arena_fits,
        },
        "estimated": {
            "cycles": plan.estimated_cycles,
            "waiting_cycles": sum(step.kernel.estimated_stall_cycles for step in plan.steps),
            "ms": 1000 * plan.estimated_cycles / cpu_hz,
            "clock_mhz": cpu_hz / 1e6,
        },
        "fits_on": fitting_parts(plan),
        "layers": [
            {
                "index": step.index,
                "name": step.name,
                "op": step.op,
                "inputs": [list(t.shape) for t in step.inputs],
                "output": list(step.output.shape),
                "macs": step.macs,
                "weights_bytes": step.weights_bytes,
                "kernel": step.kernel.name,
                "variant": step.kernel.variant,
                "why": step.kernel.why,
                "alternatives": [asdict(other) for other in step.kernel.alternatives],
                "estimated_cycles": step.kernel.estimated_cycles,
                "estimated_waiting_cycles": step.kernel.estimated_stall_cycles,
                "constants": [
                    {
                        "name": c.symbol,
                        "bytes": c.size_bytes,
                        "region": c.region,
                        "saved_cycles": c.saved_cycles,
                        "why": c.why,
                    }
                    for c in constants_of(plan, step)
                ],
                "alive_bytes": plan.occupied_bytes[step.index],
                "memory": step.memory,
            }
            for step in plan.steps
        ],
        "buffers": [
            {
                "name": b.name,
                "role": b.role,
                "offset": b.offset,
                "bytes": b.size_bytes,
                "first_step": b.first_step,
                "last_step": b.last_step,
                "in_place_of": b.shares_with,
            }
            for b in plan.buffers
        ],
    }
