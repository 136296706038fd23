"""Several devices on one machine without accelerators."""

from __future__ import annotations

# What the environment of a process says for JAX to see two devices. The collectives of XLA on CPUs meet in threads of one pool,
# which has as many as the machine has cores: with two, a device that waits for the other may hold the thread that the other
# needs, and XLA ends the process after 40 seconds. So more threads, no queue of steps, and more patience.
TWO_DEVICES_OF_JAX = {
    "NPROC": "8",
    "JAX_CPU_ENABLE_ASYNC_DISPATCH": "0",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_cpu_collective_call_terminate_timeout_seconds=240",
}
