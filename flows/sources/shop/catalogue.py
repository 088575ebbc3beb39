"""The simulated shop's world: what it sells, and who comes with which device from where.

Products are the same for every seed; a visitor's looks depend on the seed and the visitor's number alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

# Category, how much it is visited, five styles and five kinds: their 25 combinations are its products.
_RANGE = (
    ("clothing", 22, "Deluxe Cashmere|Organic Cotton|Classic Linen|Slim Fit Denim|Merino Wool",
     "Sweater|Shirt|Jacket|Trousers|Dress"),
    ("shoes", 15, "Leather|Suede|Waterproof|Canvas|Lightweight",
     "Sneakers|Ankle Boots|Loafers|Running Shoes|Sandals"),
    ("electronics", 12, "Wireless|Compact|Noise Cancelling|Portable|Smart",
     "Headphones|Speaker|Earbuds|Soundbar|Radio"),
    ("computers", 10, "13 Inch|Gaming|Ultralight|Refurbished|Fanless",
     "Laptop|Monitor|Desktop PC|Tablet|Mini PC"),
    ("home&garden", 8, "Stoneware|Bamboo|Scandinavian|Folding|Solar",
     "Table Lamp|Planter|Side Table|Storage Box|Deck Chair"),
    ("handbags", 7, "Quilted|Vintage|Vegan Leather|Mini|Woven",
     "Tote|Clutch|Shoulder Bag|Satchel|Crossbody Bag"),
    ("accessories", 6, "Silk|Sterling Silver|Polarised|Tartan|Braided",
     "Scarf|Bracelet|Sunglasses|Gloves|Belt"),
    ("books", 6, "Illustrated|Pocket|Collected|Annotated|Children's",
     "Atlas|Cookbook|Mysteries|Poems|Histories"),
    ("games", 5, "Cooperative|Family|Strategy|Party|Two Player",
     "Board Game|Card Game|Dice Game|Puzzle|Quiz"),
    ("movies", 4, "Restored|Director's Cut|Complete|4K|Anniversary",
     "Westerns|Comedies|Thrillers|Documentaries|Musicals"),
    ("tools", 3, "Cordless|Heavy Duty|Precision|Magnetic|Compact",
     "Drill|Screwdriver Set|Saw|Wrench Set|Sander"),
    ("automotive", 2, "All Season|Universal|Heated|Magnetic|LED",
     "Floor Mats|Phone Mount|Seat Cover|Sunshade|Work Light"),
)  # fmt: skip
_POPULARITY_SKEW = 0.9  # the exponent of Zipf's law within a category
_LADDER_STEPS = 1 << 14

# Country, share of the visitors, the first halves of addresses there.
_COUNTRIES = (
    ("United States", 38, "69.76|24.16|73.158|98.207"),
    ("United Kingdom", 9, "81.152|86.128|90.192"),
    ("Germany", 8, "91.32|84.128|79.192"),
    ("France", 6, "90.40|82.64|109.208"),
    ("Canada", 5, "99.224|70.48|24.200"),
    ("India", 5, "106.192|117.192|49.32"),
    ("Netherlands", 4, "77.160|84.80|145.132"),
    ("Brazil", 4, "177.32|189.40|201.17"),
    ("Spain", 4, "83.32|88.0|95.120"),
    ("Italy", 4, "79.0|87.0|151.16"),
    ("Japan", 3, "126.64|153.128|219.96"),
    ("Australia", 3, "101.160|120.144|58.160"),
    ("Poland", 2, "83.0|31.0|79.184"),
    ("Sweden", 2, "78.64|81.224|90.224"),
    ("Mexico", 2, "187.128|189.128|201.96"),
    ("Switzerland", 1, "85.0|178.192|188.60"),
)
_IPV6_SHARE = 0.1

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
# Device type, share, user agent.
_DEVICES = (
    ("Desktop", 20, f"{_WINDOWS}) {_WEBKIT} Chrome/126.0.0.0 Safari/537.36"),
    ("Desktop", 8, f"{_WINDOWS}) {_WEBKIT} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"),
    ("Desktop", 5, f"{_WINDOWS}; rv:127.0) Gecko/20100101 Firefox/127.0"),
    ("Desktop", 7, f"{_MAC} {_APPLE} Version/17.5 Safari/605.1.15"),
    ("Desktop", 4, f"{_MAC} {_WEBKIT} Chrome/126.0.0.0 Safari/537.36"),
    ("Desktop", 2, "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"),
    ("Mobile", 17, "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
     f"{_APPLE} Version/17.5 Mobile/15E148 Safari/604.1"),
    ("Mobile", 15, f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/126.0.0.0 Mobile Safari/537.36"),
    ("Mobile", 5, f"Mozilla/5.0 (Linux; Android 14; SM-S918B) {_WEBKIT} "
     "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36"),
    ("Mobile", 2, "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0"),
    ("Tablet", 7, "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) "
     f"{_APPLE} Version/16.6 Mobile/15E148 Safari/604.1"),
    ("Tablet", 3, f"Mozilla/5.0 (Linux; Android 13; SM-X906B) {_WEBKIT} Chrome/126.0.0.0 Safari/537.36"),
    ("Tablet", 1, f"Mozilla/5.0 (Linux; Android 11; KFTRWI) {_WEBKIT} "
     "Silk/124.3.1 Chrome/124.0.0.0 Safari/537.36"),
    ("TV", 2, "Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) "
     "AppleWebKit/537.36 (KHTML, like Gecko) Version/7.0 TV Safari/537.36"),
    ("Console", 1, f"Mozilla/5.0 (PlayStation; PlayStation 5/8.20) {_APPLE} Version/15.4 Safari/605.1.15"),
)  # fmt: skip
_SECOND_DEVICE_SHARE = 0.4

_AGES = (18, 75)  # youngest, oldest; on the date below
_AGES_ON = date(2025, 1, 1)
_ANONYMOUS_SHARE = 0.02  # visitors whose gender, age and birthdate nobody knows


class Taste(NamedTuple):
    """People who like some categories: their most frequent age, the share of women, from where they are.

    `near` below 1 makes the countries at the end of the list more frequent, above 1 those at its beginning.
    """

    categories: frozenset[str]
    age: int
    women: float
    near: float


_TASTES = (
    Taste(frozenset({"clothing", "shoes", "handbags", "accessories"}), 29, 0.66, 0.8),
    Taste(frozenset({"electronics", "computers", "games"}), 24, 0.3, 1.3),
    Taste(frozenset({"home&garden", "books", "tools", "automotive"}), 58, 0.5, 1.6),
    Taste(frozenset(), 36, 0.52, 1.0),
)


def taste_of(visitor: int) -> int:
    """Return the number of a visitor's taste."""
    return visitor * 2_654_435_761 >> 16 & 3


def _likes(taste: Taste, product: Product) -> float:
    """Return how many times as much as others people of a taste look at a product."""
    return 1.0 if not taste.categories or product.category in taste.categories else 0.05


class Product(NamedTuple):
    """One product; `category` is None for the few that are in none."""

    product_id: str
    category: str | None
    title: str


class Goods(NamedTuple):
    """The catalogue, ready to draw from.

    `json[i]` is product `i`'s part of a click. A ladder is a list of product numbers, each as often as it is
    popular: `anything` over the whole shop, `same[i]` over the category of product `i`. The last number
    is no product at all (the home page) and stands on the ladder `anything` only. `liked` has a ladder for
    each taste.
    """

    json: tuple[bytes, ...]
    anything: Sequence[int]
    same: tuple[Sequence[int], ...]
    liked: tuple[Sequence[int], ...]


class Look(NamedTuple):
    """A visitor on one device: the click's JSON before the product and after it."""

    head: bytes
    tail: bytes


def ladder(weights: Iterable[float], steps: int = _LADDER_STEPS) -> list[int]:
    """Return `steps` numbers, ascending, in which i is repeated in proportion to the i-th weight."""
    tops = list(accumulate(weights))
    rungs: list[int] = []
    for number, top in enumerate(tops):
        rungs += [number] * (round(top / tops[-1] * steps) - len(rungs))
    return rungs


@lru_cache(maxsize=1)
def goods() -> Goods:
    """Return the whole catalogue; always the same."""
    rng = random.Random("catalogue")
    products: list[Product] = []
    weights: list[float] = []
    same: list[Sequence[int]] = []
    for category, share, styles, kinds in _RANGE:
        titles = [f"{style} {kind}" for style in styles.split("|") for kind in kinds.split("|")]
        rng.shuffle(titles)
        inside = [share / rank**_POPULARITY_SKEW for rank in range(1, len(titles) + 1)]
        same += [[len(products) + number for number in ladder(inside)]] * len(titles)
        weights += inside
        products += [Product(_product_id(rng), category, title) for title in titles]
    uncategorised = [Product(_product_id(rng), None, title) for title in ("Gift Card", "Mystery Box")]
    products += uncategorised
    weights += [sum(weights) * 0.001] * len(uncategorised) + [sum(weights) * 0.004]
    anything = ladder(weights)
    same += [anything] * (len(uncategorised) + 1)
    texts = (*(_members(product) for product in products), b"")
    liked = tuple(
        ladder(w * _likes(taste, p) for w, p in zip(weights, products, strict=False)) for taste in _TASTES
    )
    return Goods(texts, anything, tuple(same), liked)


@lru_cache(maxsize=1 << 17)
def look(seed: int, visitor: int, device: int, day: int) -> Look:
    """Return how `visitor` looks on its first or second `device` (0 or 1) on `day` (days since 1970)."""
    draw = random.Random(seed << 32 | visitor).random
    user = f"{int(draw() * 2**48):012X}{int(draw() * 2**40):010X}{int(draw() * 2**40):010X}"
    user = f"{user[:8]}-{user[8:12]}-{user[12:16]}-{user[16:20]}-{user[20:]}"
    taste = _TASTES[taste_of(visitor)]
    country_number = _countries()[int(draw() ** taste.near * _LADDER_STEPS)]
    gender = "F" if draw() < taste.women else "M"
    born = _birthdate(draw(), draw(), taste.age)
    anonymous, second = draw() < _ANONYMOUS_SHARE, draw() < _SECOND_DEVICE_SHARE
    first_place = draw(), draw(), draw()
    if device and second:
        first_place = draw(), draw(), draw()
    type_number, address, ipv6 = first_place
    country, _, blocks = _COUNTRIES[country_number]
    device_type, _, agent = _DEVICES[_devices()[int(type_number * _LADDER_STEPS)]]
    age = _age(born, date(1970, 1, 1) + timedelta(days=day))
    ip = _ipv6(country_number, address) if ipv6 < _IPV6_SHARE else _ipv4(blocks, address)
    told = "null", "null", "null"
    if not anonymous:
        told = f'"{gender}"', str(age), f'"{born}"'
    return Look(
        f',"userId":"{user}","ip":"{ip}","userAgent":"{agent}"'.encode(),
        f',"gender":{told[0]},"country":"{country}","deviceType":"{device_type}"'
        f',"age":{told[1]},"birthdate":{told[2]}}}'.encode(),
    )


@lru_cache(maxsize=1)
def _countries() -> list[int]:
    return ladder(share for _, share, _ in _COUNTRIES)


@lru_cache(maxsize=1)
def _devices() -> list[int]:
    return ladder(share for _, share, _ in _DEVICES)


def _product_id(rng: random.Random) -> str:
    letters = "".join(rng.choices("ABCDEFGHKLMNPRSTUVWXZ", k=2))
    return f"{letters}{rng.randrange(10**7, 10**8)}"


def _members(product: Product) -> bytes:
    named = {"productId": product.product_id, "category": product.category, "title": product.title}
    return b"," + json.dumps(named, separators=(",", ":"))[1:-1].encode()


def _birthdate(where: float, when: float, peak: int) -> date:
    youngest, oldest = _AGES
    years, low, high = oldest - youngest, peak - youngest, oldest - peak
    # The inverse of a triangular distribution's cumulative one.
    if where * years < low:
        age = youngest + (where * years * low) ** 0.5
    else:
        age = oldest - ((1 - where) * years * high) ** 0.5
    return _AGES_ON - timedelta(days=int(age * 365.25 + when))


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _ipv4(blocks: str, place: float) -> str:
    choices = blocks.split("|")
    number = int(place * len(choices) * 256 * 254)
    block, host = divmod(number, 256 * 254)
    return f"{choices[block]}.{host // 254}.{host % 254 + 1}"


def _ipv6(country: int, place: float) -> str:
    number = int(place * 2**40)
    return f"2001:db8:{country + 1:x}:{number >> 24:x}::{number & 0xFFFF | 1:x}"
