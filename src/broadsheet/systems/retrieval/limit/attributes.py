"""Things that made-up people like, and names for them: ours, for small worlds without any data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from broadsheet.core.errors import BadInput

_WORDS = """
apples pears plums cherries figs dates olives walnuts almonds lentils barley oats rye honey ginger
saffron pepper mustard vinegar butter cheese yoghurt pancakes waffles dumplings noodles omelettes
soups pickles chutney toffee marzipan gingerbread lemonade cocoa espresso cider juice
chess draughts dominoes darts bowling archery fencing judo rowing sailing surfing skating skiing
curling hockey cricket rugby polo golf tennis badminton squash cycling running hiking climbing
caving diving swimming kayaking fishing riding juggling yoga pilates
violins cellos flutes oboes bassoons clarinets trumpets trombones tubas harps lutes mandolins
banjos guitars pianos organs accordions drums cymbals bagpipes
opera ballet jazz blues swing tango waltzes folk gospel reggae techno
poetry novels essays fables riddles limericks atlases almanacs diaries
painting etching pottery weaving knitting embroidery quilting origami calligraphy carving
photography sculpture mosaics murals cartoons puppetry
oaks elms birches willows maples cedars pines larches poplars beeches hazels
roses tulips irises lilies violets peonies orchids poppies lavender daisies asters dahlias
otters badgers foxes hares hedgehogs beavers squirrels bats moles deer elk bison camels llamas
goats sheep ponies donkeys cats dogs hamsters rabbits parrots owls hawks herons swans geese ducks
storks cranes robins wrens finches larks swifts penguins puffins
salmon trout carp pike eels squid octopuses crabs lobsters shrimps mussels oysters whales dolphins
seals turtles frogs newts toads lizards geckos snakes beetles moths crickets ants bees wasps
volcanoes glaciers deserts islands lagoons canyons caves waterfalls geysers meadows marshes
comets planets eclipses meteors nebulae telescopes microscopes sundials compasses
trams ferries canoes zeppelins gliders tractors bicycles scooters locomotives lighthouses bridges
castles cathedrals windmills aqueducts pagodas museums libraries markets
puzzles crosswords magic marbles kites yo-yos dice stamps coins
algebra geometry logic botany zoology geology optics acoustics astronomy
candles lanterns mirrors clocks hammocks umbrellas scarves gloves boots hats
"""
#: Each one word of its own, so that no thing to like is a part of another.
OWN_ATTRIBUTES: tuple[str, ...] = tuple(dict.fromkeys(_WORDS.split()))

_ONSETS = "b br d dr f fl g gr h j k kr l m n p pr r s st t tr v w z".split()  # noqa: SIM905
_VOWELS = "a e i o u ai ea ie".split()  # noqa: SIM905
_ENDS = "l n r s nd rt mb sk th x".split()  # noqa: SIM905


def made_up_names(count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Return different made-up names of two words, such as "Drail Stond".

    Raises:
        BadInput: More than there are.

    Example:
        >>> names = made_up_names(50, np.random.default_rng(1))
        >>> len(set(names)), all(len(name.split()) == 2 for name in names)
        (50, True)
    """
    parts = [a + v + e for a in _ONSETS for v in _VOWELS for e in _ENDS]
    total = len(parts) ** 2
    if not 0 < count <= total // 2:
        raise BadInput("not that many names", received=count, hint=f"1 to {total // 2:,}")
    drawn: dict[int, None] = {}
    while len(drawn) < count:
        drawn.update(dict.fromkeys(rng.integers(0, total, size=count).tolist()))
    chosen = list(drawn)[:count]
    return tuple(
        f"{parts[one // len(parts)].capitalize()} {parts[one % len(parts)].capitalize()}"
        for one in chosen
    )


def sentence_of(name: str, likes: Sequence[str]) -> str:
    """Return the text of a person.

    Example:
        >>> sentence_of("Ida Lom", ["figs", "chess", "owls"])
        'Ida Lom likes figs, chess and owls.'
    """
    *most, last = likes
    return f"{name} likes {', '.join(most)} and {last}." if most else f"{name} likes {last}."
