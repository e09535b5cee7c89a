"""From a C project to an ELF, and what can be read off that ELF: symbols, memory use, worst-case stack."""
