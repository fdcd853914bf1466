"""Classes of the datasets that published models were trained on, and the dataset that a list of names is of.

Sources: COCO 2017's annotations (80 thing classes), its panoptic annotations (53 stuff classes), Objects365 (365
classes, in its spelling), PubTables-1M (the class maps of the Table Transformer repository).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

_UNUSED = "N/A"
# Category ids of COCO's 80 detection classes, in order of class index (COCO 2017 annotations: 1 … 90 with ten holes).
_COCO_HOLES = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
COCO_80_TO_91: tuple[int, ...] = tuple(i for i in range(1, 91) if i not in _COCO_HOLES)
_FIRST_STUFF = 91  # category id of COCO panoptic; those below are things


def _names(text: str) -> tuple[str, ...]:
    return tuple(" ".join(name.split()) for name in text.split(","))


COCO_80 = _names(
    """
    person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
    parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
    handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
    surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
    broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop,
    mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors,
    teddy bear, hair drier, toothbrush
    """
)
_STUFF = _names(
    """
    92 banner, 93 blanket, 95 bridge, 100 cardboard, 107 counter, 109 curtain, 112 door-stuff, 118 floor-wood, 119
    flower, 122 fruit, 125 gravel, 128 house, 130 light, 133 mirror-stuff, 138 net, 141 pillow, 144 platform, 145
    playingfield, 147 railroad, 148 river, 149 road, 151 roof, 154 sand, 155 sea, 156 shelf, 159 snow, 161 stairs, 166
    tent, 168 towel, 171 wall-brick, 175 wall-stone, 176 wall-tile, 177 wall-wood, 178 water-other, 180 window-blind,
    181 window-other, 184 tree-merged, 185 fence-merged, 186 ceiling-merged, 187 sky-other-merged, 188 cabinet-merged,
    189 table-merged, 190 floor-other-merged, 191 pavement-merged, 192 mountain-merged, 193 grass-merged, 194
    dirt-merged, 195 paper-merged, 196 food-other-merged, 197 building-other-merged, 198 rock-merged, 199
    wall-other-merged, 200 rug-merged
    """
)
_OBJECTS365 = _names(
    """
    Person, Sneakers, Chair, Other Shoes, Hat, Car, Lamp, Glasses, Bottle, Desk, Cup, Street Lights, Cabinet/shelf,
    Handbag/Satchel, Bracelet, Plate, Picture/Frame, Helmet, Book, Gloves, Storage box, Boat, Leather Shoes, Flower,
    Bench, Potted Plant, Bowl/Basin, Flag, Pillow, Boots, Vase, Microphone, Necklace, Ring, SUV, Wine Glass, Belt,
    Monitor/TV, Backpack, Umbrella, Traffic Light, Speaker, Watch, Tie, Trash bin Can, Slippers, Bicycle, Stool,
    Barrel/bucket, Van, Couch, Sandals, Basket, Drum, Pen/Pencil, Bus, Wild Bird, High Heels, Motorcycle, Guitar,
    Carpet, Cell Phone, Bread, Camera, Canned, Truck, Traffic cone, Cymbal, Lifesaver, Towel, Stuffed Toy, Candle,
    Sailboat, Laptop, Awning, Bed, Faucet, Tent, Horse, Mirror, Power outlet, Sink, Apple, Air Conditioner, Knife,
    Hockey Stick, Paddle, Pickup Truck, Fork, Traffic Sign, Balloon, Tripod, Dog, Spoon, Clock, Pot, Cow, Cake,
    Dinning Table, Sheep, Hanger, Blackboard/Whiteboard, Napkin, Other Fish, Orange/Tangerine, Toiletry, Keyboard,
    Tomato, Lantern, Machinery Vehicle, Fan, Green Vegetables, Banana, Baseball Glove, Airplane, Mouse, Train,
    Pumpkin, Soccer, Skiboard, Luggage, Nightstand, Tea pot, Telephone, Trolley, Head Phone, Sports Car, Stop Sign,
    Dessert, Scooter, Stroller, Crane, Remote, Refrigerator, Oven, Lemon, Duck, Baseball Bat, Surveillance Camera,
    Cat, Jug, Broccoli, Piano, Pizza, Elephant, Skateboard, Surfboard, Gun, Skating and Skiing shoes, Gas stove,
    Donut, Bow Tie, Carrot, Toilet, Kite, Strawberry, Other Balls, Shovel, Pepper, Computer Box, Toilet Paper,
    Cleaning Products, Chopsticks, Microwave, Pigeon, Baseball, Cutting/chopping Board, Coffee Table, Side Table,
    Scissors, Marker, Pie, Ladder, Snowboard, Cookies, Radiator, Fire Hydrant, Basketball, Zebra, Grape, Giraffe,
    Potato, Sausage, Tricycle, Violin, Egg, Fire Extinguisher, Candy, Fire Truck, Billiards, Converter, Bathtub,
    Wheelchair, Golf Club, Briefcase, Cucumber, Cigar/Cigarette, Paint Brush, Pear, Heavy Truck, Hamburger, Extractor,
    Extension Cord, Tong, Tennis Racket, Folder, American Football, earphone, Mask, Kettle, Tennis, Ship, Swing,
    Coffee Machine, Slide, Carriage, Onion, Green beans, Projector, Frisbee, Washing Machine/Drying Machine, Chicken,
    Printer, Watermelon, Saxophone, Tissue, Toothbrush, Ice cream, Hot-air balloon, Cello, French Fries, Scale,
    Trophy, Cabbage, Hot dog, Blender, Peach, Rice, Wallet/Purse, Volleyball, Deer, Goose, Tape, Tablet, Cosmetics,
    Trumpet, Pineapple, Golf Ball, Ambulance, Parking meter, Mango, Key, Hurdle, Fishing Rod, Medal, Flute, Brush,
    Penguin, Megaphone, Corn, Lettuce, Garlic, Swan, Helicopter, Green Onion, Sandwich, Nuts, Speed Limit Sign,
    Induction Cooker, Broom, Trombone, Plum, Rickshaw, Goldfish, Kiwi fruit, Router/modem, Poker Card, Toaster,
    Shrimp, Sushi, Cheese, Notepaper, Cherry, Pliers, CD, Pasta, Hammer, Cue, Avocado, Hamimelon, Flask, Mushroom,
    Screwdriver, Soap, Recorder, Bear, Eggplant, Board Eraser, Coconut, Tape Measure/Ruler, Pig, Showerhead, Globe,
    Chips, Steak, Crosswalk Sign, Stapler, Camel, Formula 1, Pomegranate, Dishwasher, Crab, Hoverboard, Meat ball,
    Rice Cooker, Tuba, Calculator, Papaya, Antelope, Parrot, Seal, Butterfly, Dumbbell, Donkey, Lion, Urinal, Dolphin,
    Electric Drill, Hair Dryer, Egg tart, Jellyfish, Treadmill, Lighter, Grapefruit, Game board, Mop, Radish, Baozi,
    Target, French, Spring Rolls, Monkey, Rabbit, Pencil Case, Yak, Red Cabbage, Binoculars, Asparagus, Barbell,
    Scallop, Noddles, Comb, Dumpling, Oyster, Table Tennis paddle, Cosmetics Brush/Eyeliner Pencil, Chainsaw, Eraser,
    Lobster, Durian, Okra, Lipstick, Cosmetics Mirror, Curling, Table Tennis
    """
)
_TABLES = _names("table, table rotated")
_TABLE_STRUCTURE = _names(
    """
    table, table column, table row, table column header, table projected row header, table spanning cell
    """
)
_COCO_IDS = dict(zip(COCO_80_TO_91, COCO_80, strict=True))
_STUFF_IDS = {int(number): name for number, _, name in (word.partition(" ") for word in _STUFF)}


@dataclass(frozen=True, slots=True)
class DatasetClasses:
    """The rows of a class head that was trained on a dataset.

    title         of the dataset, in sentences
    names         by row; "N/A" for a row that no category has
    category_ids  by row, as in the dataset
    stuff         rows of uncountable classes, and unused rows among them
    unused        rows that no category has; published files have other names for some of them
    """

    title: str
    names: tuple[str, ...]
    category_ids: tuple[int, ...]
    stuff: frozenset[int] = frozenset()
    unused: frozenset[int] = frozenset()


def _without_ids(title: str, names: tuple[str, ...]) -> DatasetClasses:
    """Rows of a dataset that has no category ids: they are the index plus 1, as for any other classes."""
    return DatasetClasses(title, names, tuple(range(1, len(names) + 1)))


def _by_category_id(title: str, names: Sequence[str], stuff: Sequence[int] = ()) -> DatasetClasses:
    """Rows whose index is the category id; ids without a category are unused rows."""
    unused = frozenset(index for index, name in enumerate(names) if name in (_UNUSED, "None"))
    return DatasetClasses(title, tuple(names), tuple(range(len(names))), frozenset(stuff), unused)


# Names as in the catalog. Objects365 counts from 1; row 0 has the name that published files give it.
DATASETS: Mapping[str, DatasetClasses] = MappingProxyType(
    {
        "coco": DatasetClasses("COCO", COCO_80, COCO_80_TO_91),
        "coco-91": _by_category_id("COCO", [_COCO_IDS.get(i, _UNUSED) for i in range(91)]),
        "coco-panoptic": _by_category_id(
            "COCO panoptic",
            [(_COCO_IDS | _STUFF_IDS).get(i, _UNUSED) for i in range(250)],
            range(_FIRST_STUFF, 250),
        ),
        "objects365": _by_category_id("Objects365", ("None", *_OBJECTS365)),
        "pubtables-detection": _without_ids("PubTables-1M (tables)", _TABLES),
        "pubtables-structure": _without_ids("PubTables-1M (table structure)", _TABLE_STRUCTURE),
    }
)
PUBLISHED_LABELS: dict[int, tuple[str, ...]] = {len(known.names): known.names for known in DATASETS.values()}

# Other spellings of COCO's names, in lists of darknet, VOC and mmdetection; compared without spaces.
_SPELLINGS = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "tvmonitor": "tv",
    "hairdryer": "hairdrier",
}
_PLACEHOLDER = re.compile(r"(?i)label_\d+|n/?a|none")


def dataset_of(names: Sequence[str]) -> str | None:
    """Return the dataset whose classes these are, as named in DATASETS: every name is compared, in any case.

    Spaces, hyphens and the spellings of other lists make no difference, nor do names of unused rows. Names of stuff may be
    placeholders, as in the first published panoptic files. None: another dataset, whatever the number of names.
    """
    for dataset, known in DATASETS.items():
        if len(known.names) == len(names) and all(
            index in known.unused or _is_same(name, expected, stuff=index in known.stuff)
            for index, (name, expected) in enumerate(zip(names, known.names, strict=True))
        ):
            return dataset
    return None


def _is_same(name: object, expected: str, *, stuff: bool) -> bool:
    if not isinstance(name, str):
        return False
    return _spelling(name) == _spelling(expected) or (stuff and _PLACEHOLDER.fullmatch(name.strip()) is not None)


def _spelling(name: str) -> str:
    plain = re.sub(r"[\s_-]+", "", name.casefold())
    return _SPELLINGS.get(plain, plain)
