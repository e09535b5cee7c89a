"""What a .tflite file is as firmware: built, run on the emulated part, and held against the reference."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from generator.commands import attach, road
from generator.commands.measure import measure, phases
from generator.commands.output import Output
from generator.learn.sweep import Cast, OnTarget
from generator.toolchain.elf import ElfImage
from generator.toolchain.memory import memory_use
from generator.validate import compare, make_inputs

_REALISTIC, _NOISE = 4, 4


def caster(target: road.Target, output: Output) -> Cast:
    """Return what builds a file for a board at a clock, in a folder that does not stay, and measures it."""

    def cast(path: Path) -> OnTarget:
        planned = road.plan_model(str(path), None, target)
        source = planned.source
        given = make_inputs(
            planned.graph, source.folder, source.info.normalization, realistic=_REALISTIC, noise=_NOISE
        )
        with TemporaryDirectory() as folder:
            project = Path(folder) / source.name
            road.render_to(planned, target, project)
            elf = road.build_project(project, target, output).elf
            memory = memory_use(ElfImage.load(elf), target.board.part)
            with attach.on_emulator(elf, target.board, phases(planned, target.engine), output) as link:
                machine, client = link
                client.identify()
                comparison = compare(client, planned.plan, source.data, given)
                latency = measure(machine, client, planned, target)
        assert latency.cycles is not None, "emulation counts"
        assert latency.ms is not None
        return OnTarget(
            cycles=latency.cycles,
            ms=latency.ms,
            clock_mhz=latency.clock_mhz,
            flash_bytes=memory.flash_bytes,
            ram_bytes=memory.ram_bytes,
            macs=planned.removal.macs,
            inputs=comparison.inputs,
            mismatches=comparison.mismatches,
        )

    return Cast(f"{target.board.name} at {target.clock.sysclk_hz / 1e6:g} MHz", cast)
