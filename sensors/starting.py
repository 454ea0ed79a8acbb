"""Whether a sensor runs from the start: the one attribute of a sensor that Dagster does not let us change later."""

import inspect

import dagster as dg


def running(sensor: dg.SensorDefinition) -> dg.SensorDefinition:
    """The same sensor, RUNNING as soon as the code location is loaded; sensors are defined as STOPPED."""
    return dg.SensorDefinition(
        name=sensor.name,
        evaluation_fn=inspect.unwrap(sensor),
        jobs=sensor.jobs if sensor.has_jobs else None,
        minimum_interval_seconds=sensor.minimum_interval_seconds,
        description=sensor.description,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
