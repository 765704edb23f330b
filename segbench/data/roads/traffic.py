"""Draws by lot who is on the road and on the pavement."""

from __future__ import annotations

from segbench.data.roads.camera import Camera
from segbench.data.roads.dice import Dice
from segbench.data.roads.junctions import at_mouth
from segbench.data.roads.paints import CAR_PAINTS, CLOTHES, HAIRS, HELMETS, SKINS, TROUSERS, varied
from segbench.data.roads.street import Car, Cyclist, Junction, Person, Side

__all__ = ["draw_cars", "draw_cyclists", "draw_people"]


def draw_cars(dice: Dice, camera: Camera, half: float, junction: Junction | None) -> list[Car]:
    """Rows of parked vehicles, and those on their way in both lanes."""
    cars: list[Car] = []
    own = 1 if camera.offset > 0 else -1
    for sign in (-1, 1):
        if half > 4.1 and dice.chance(0.7):
            cars.extend(_parked(dice, sign, half, own, junction))
    z = dice.between(9.0, 26.0)
    for _ in range(dice.count(0, 2)):
        cars.append(_car(dice, own * half * 0.46 + dice.between(-0.2, 0.2), z, True))
        z += dice.between(8.0, 18.0)
    z = dice.between(8.0, 30.0)
    for _ in range(dice.count(0, 3)):
        cars.append(_car(dice, -own * half * 0.46 + dice.between(-0.2, 0.2), z, False))
        z += dice.between(8.0, 18.0)
    return cars


def _parked(dice: Dice, sign: int, half: float, own: int, junction: Junction | None) -> list[Car]:
    cars: list[Car] = []
    z = dice.between(4.0, 20.0)
    for _ in range(dice.count(1, 5)):
        car = _car(dice, sign * (half - 1.0), z, sign == own)
        if not at_mouth(junction, sign, z, z + car.length):
            cars.append(car)
        z += car.length + (dice.between(0.7, 1.6) if dice.chance(0.6) else dice.between(5.0, 15.0))
    return cars


def _car(dice: Dice, s: float, z: float, away: bool) -> Car:
    kind = dice.pick(
        ("hatch", "hatch", "hatch", "saloon", "saloon", "saloon", "van", "bus")
        if z > 14
        else ("hatch", "saloon", "saloon", "van")
    )
    length, width, height = {
        "hatch": (dice.between(3.7, 4.2), 1.72, dice.between(1.45, 1.62)),
        "saloon": (dice.between(4.3, 4.8), 1.80, dice.between(1.38, 1.50)),
        "van": (dice.between(4.8, 5.6), 1.98, dice.between(2.1, 2.5)),
        "bus": (dice.between(9.0, 12.0), 2.45, dice.between(3.0, 4.2)),
    }[kind]
    return Car(s, z, kind, length, width, height, varied(dice, dice.pick(CAR_PAINTS), 0.08), away)


def draw_people(dice: Dice, camera: Camera, sides: tuple[Side, Side], half: float) -> list[Person]:
    """People on the pavements, some in pairs, and some who cross the road."""
    people: list[Person] = []
    if dice.chance(0.15):
        return people
    for _ in range(dice.count(2, 6)):
        side = dice.pick(sides)
        if dice.chance(0.15):
            s = dice.between(-half, half)
            people.append(_person(dice, s, _distance(dice, camera, s) + 1.5, dice.sign() * 1.0))
            continue
        s = side.sign * dice.between(half + 0.4, side.pavement - 0.3)
        z = _distance(dice, camera, s)
        people.append(_person(dice, s, z, dice.between(-0.6, 0.6)))
        if dice.chance(0.4):
            people.append(_person(dice, s + side.sign * 0.6, z + 0.9, dice.between(-0.6, 0.6)))
    return people


def _distance(dice: Dice, camera: Camera, s: float) -> float:
    """Near enough for limbs to be told, far enough to be in the picture."""
    return max(4.0, camera.enters(s)) + dice.between(0.3, 2.5) + 8.0 * dice.unit() * dice.unit()


def _person(dice: Dice, s: float, z: float, turn: float) -> Person:
    return Person(
        s=s,
        z=z,
        height=dice.between(1.55, 1.92) if not dice.chance(0.12) else dice.between(1.1, 1.4),
        turn=turn,
        stride=dice.between(0.3, 1.0) if dice.chance(0.8) else 0.1,
        top=varied(dice, dice.pick(CLOTHES), 0.15),
        legs=varied(dice, dice.pick(TROUSERS), 0.15),
        skin=dice.pick(SKINS),
        hair=dice.pick(HAIRS),
        skirt=dice.chance(0.18),
        bag=dice.pick(CLOTHES) if dice.chance(0.3) else None,
    )


def draw_cyclists(dice: Dice, camera: Camera, half: float) -> list[Cyclist]:
    """Bicyclists along the kerb or across the road."""
    riders: list[Cyclist] = []
    if not dice.chance(0.72):
        return riders
    for _ in range(dice.pick((1, 1, 2))):
        crossing = dice.chance(0.4)
        s = dice.between(-half * 0.9, half * 0.9) if crossing else dice.sign() * (half - dice.between(0.6, 1.6))
        riders.append(
            Cyclist(
                s=s,
                z=_distance(dice, camera, s),
                turn=dice.sign() * (dice.between(0.75, 1.0) if crossing else dice.between(0.12, 0.6)),
                pedal=dice.between(-1.0, 1.0),
                top=varied(dice, dice.pick(CLOTHES), 0.15),
                legs=varied(dice, dice.pick(TROUSERS), 0.15),
                skin=dice.pick(SKINS),
                helmet=dice.pick(HELMETS),
                frame=dice.pick(CAR_PAINTS),
            )
        )
    return riders
