"""Generated texts with what they say, as fields: choices, copied strings, numbers and truth values. Eight kinds of text.

Each row asks for some fields of one text, in one of several wordings, and comes with another text of the kind and its answer,
for an example in the prompt. Equal seeds make equal rows. In these texts a choice is mostly named; `make_meanings` has short
ones with a label that they mean and don't name.

The wordings of this file have been looked at, and prompts were chosen by them. `part="held"` makes rows of wordings, names and
questions that stand in `benchmarks.held_wordings`, for evaluation: none of them occurs here.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import held_wordings
from benchmarks.labelled_texts import Part

# Topic and fields, then wordings (`>`). A field is `name: copied, strings`, `name: low..high`, `name? if yes / if no`
# or a choice `name = member: how it is said; ...` (`_` stands for the member, an unsaid member is said as the last).
TASKS = """
# support ticket | customer: $people | order_number: 1000..9999 | urgent? This is urgent / This is not urgent
category = billing: The category is _; shipping; technical; account: This is about my _
> {customer} writes about order {order_number}: {category}. {urgent}.
> Message from {customer}. {category}. {urgent}. My order number is {order_number}.
# weather report | city: $cities | temperature: 2..39 | wind_speed: 3..90
condition = sunny: The condition is _; rainy; snowy; cloudy; foggy | storm? There is a storm / There is no storm
> Weather in {city}: {temperature} degrees, wind at {wind_speed} km/h. {condition}. {storm}.
> {condition} in {city}. {storm}. The wind speed is {wind_speed} km/h, the temperature {temperature} degrees.
# person | name: $people | age: 18..90 | city: $cities | married? is married / is not married
occupation = doctor: has the occupation _; teacher; farmer: works as a _; lawyer; pilot; chef
> {name} is {age} years old and lives in {city}. {name} {occupation} and {married}.
> Meet {name} from {city}, aged {age}, who {occupation}. {name} {married}.
# product | product: desk lamp, office chair, water bottle, yoga mat | price: 5..300 | brand: Solara, Oakline, Halden
color = red: The color is _; blue; green; black; white | size = small: The size is _; medium; large
in_stock? It is in stock / It is sold out and not in stock
> The {brand} {product} costs {price} dollars. {color}. {size}. {in_stock}.
> New from {brand}: a {product} at a price of {price} dollars. {size}. {in_stock}. {color}.
# film review | title: The Silent River, Golden Hour, Last Train North, Paper Moons | reviewer: $people | rating: 1..11
sentiment = positive: The sentiment is _, I loved it; negative: The sentiment is _, a terrible film; neutral: I feel _
genre = comedy: The genre is _; horror; drama; western | recommended? I recommend it / I do not recommend it
> Review of {title} by {reviewer}. {genre}. {sentiment}. {recommended}. Rating: {rating} out of 10.
> {reviewer} saw {title} and gave it a rating of {rating}. {sentiment}. {genre}. {recommended}.
# flight | airline: Skyways, Northern Air, Blue Jet | origin: Dublin, Cairo | destination: $cities | gate: 1..60
status = delayed: The status is _; cancelled; boarding; landed: The plane has _ | meal? A meal is served / No meal
> {airline} flight from {origin} to {destination}, gate {gate}. {status}. {meal}.
> Gate {gate}: {status}. The airline is {airline}, the origin {origin}, the destination {destination}. {meal}.
# recipe | dish: lentil soup, apple pie, bean salad | servings: 2..13 | minutes: 10..120 | vegan? It is vegan / Not vegan
course = breakfast: The course is _; lunch; dinner; dessert | difficulty = easy: The difficulty is _; medium; hard
> This {dish} makes {servings} servings in {minutes} minutes. {course}. {difficulty}. {vegan}.
> Today: {dish}. {course}. {vegan}. {difficulty}. It takes {minutes} minutes and makes {servings} servings.
# job advert | title: data analyst, sales manager, nurse, engineer | company: Solara, Oakline, Halden | city: $cities
salary: 30000..120000 | remote? The job is remote / The job is not remote
level = junior: The level is _; senior; trainee | contract = full-time: The contract is _; part-time; temporary
> {company} in {city} seeks a {title}. {level}. {contract}. The salary is {salary} dollars. {remote}.
> Job: {title} at {company}. Salary: {salary}. {remote}. {contract}. {level}. City: {city}.
"""
LISTS = {
    "$people": "Maria Lopez, John Baker, Aisha Khan, Tom Fischer, Grace Lee, Peter Novak, Emma Clark, Lucy Brown",
    "$cities": "Lisbon, Toronto, Nairobi, Oslo, Denver, Kyoto, Bergen, Austin, Lima, Prague, Seville, Perth",
}
WORDINGS = """Extract {fields} from the {topic}. | Read this {topic} and give {fields}. | From the {topic}, fill in
 {fields}. | You are given a {topic}. What does it say about {fields}? | Find {fields} in the {topic}, nothing else."""
FILLERS = """Thank you for reading. | This text was sent on the usual form. | Please keep it for your own files. | Copies
 have been sent to the people who asked for them. | Nothing else has changed since the last time. | Further details will
 follow in a later note. | The office can be reached by telephone during the week."""


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    value: str  # the right one, as JSON
    said: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    index: int
    task: str
    question: str  # with a slot for the text
    texts: list[str]  # an example's, and the row's own
    answers: list[list[Field]]


def draw(spec: str, rng: random.Random, lists: dict[str, str] = LISTS) -> Field:
    name, mark, domain = re.findall(r"(\w+) ?([:?=]) (.*)", spec)[0]
    if mark == "?":
        yes = rng.random() < 0.5
        return Field(name, "boolean", json.dumps(yes), domain.split(" / ")[not yes])
    if mark == "=":
        sayings: dict[str, str] = {}
        for option in domain.split("; "):
            member, _, said = option.partition(": ")
            sayings[member] = said or list(sayings.values())[-1]
        member = rng.choice(list(sayings))
        return Field(name, "choice", json.dumps(member), sayings[member].replace("_", member), tuple(sayings))
    integer = ".." in domain
    text = (
        str(rng.randrange(*map(int, domain.split(".."))))
        if integer
        else rng.choice(str(lists.get(domain, domain)).split(", "))
    )
    return Field(name, "integer" if integer else "string", text if integer else json.dumps(text), text)


def make_rows(count: int, seed: int = 0, selections: int | None = None, part: Part = "tune") -> Iterator[Row]:
    """Rows; where `selections` is given, a kind of text is asked for no more different selections of fields than that."""
    source, lists, wordings, fillers = (
        (TASKS, LISTS, WORDINGS, FILLERS)
        if part == "tune"
        else (held_wordings.TASKS, held_wordings.LISTS, held_wordings.WORDINGS, held_wordings.FILLERS)
    )
    rng, tasks = random.Random(seed), [task.strip().split("\n") for task in source.split("# ")[1:]]
    for index in range(count):
        lines = tasks[index % len(tasks)]
        topic, *specs = [spec for line in lines if line[0] != ">" for spec in line.split(" | ")]
        picks = rng if selections is None else random.Random(f"{topic} {index // len(tasks) % selections}")
        wording = rng.choice([line[2:] for line in lines if line[0] == ">"])
        picked = [picks.choice([s for s in specs if " = " in s]), picks.choice([s for s in specs if " = " not in s])]
        picked += picks.sample([s for s in specs if s not in picked], picks.randint(0, min(5, len(specs) - 2)))
        picks.shuffle(picked)
        drawn = [{spec: draw(spec, rng, lists) for spec in specs} for _ in range(2)]
        answers, listed = [[fields[spec] for spec in picked] for fields in drawn], rng.random() < 0.5
        named = [(f.name.replace("_", " "), f.members if listed else ()) for f in answers[0]]
        wanted = [f"the {name}" + (f" ({', '.join(members)})" if members else "") for name, members in named]
        every = f"{', '.join(wanted[:-1])} and {wanted[-1]}"
        ask = rng.choice(wordings.replace("\n", "").split(" | ")).format(topic=topic, fields=every)
        question = rng.choice((f"{ask}\n\n<text>\n\n<form>", f"<text>\n\n{ask}\n\n<form>", f"{ask} <form>\n\n<text>"))
        before, after = (rng.sample(fillers.replace("\n", "").split(" | "), rng.choice((0, 0, 1, 3))) for _ in range(2))
        said = [wording.format(**{f.name: f.said for f in fields.values()}) for fields in drawn]
        texts = [" ".join([*before, text, *after]) for text in said]
        yield Row(index, topic, question, texts, answers)


# Topic and question, then labels, each with ways to mean it; of `{a|b}` one is drawn.
MEANINGS = """
# message to a shop | department
billing: {I was|We were|My card was} charged {twice|too much|the wrong amount|for nothing} {this month|on Monday|again}.
billing: {Why did|How come} the {price|invoice|bill} {go up|double|change} {since last week|without a word|again}?
billing: Please {give|send} {me|us} my money back for {the lamp|the chair|both of them|the last one}.
delivery: {The parcel|My package|The box} {never came|is a week late|went to a neighbour|got lost on the way}.
delivery: {When|On which day} will {the courier|the driver|my parcel} {arrive|be here|come to my house}?
delivery: {The driver|The courier} left {the box|it|my parcel} {in the rain|at the wrong door|on the street}.
technical: {The app|Your site|The screen} {crashes|freezes|goes black} {when I open it|every time|after the update}.
technical: The {lamp|charger|printer|remote} {does not switch on|makes a loud noise|stopped working} {today|at all|again}.
technical: {How do|Can} I {connect|install|reset} the {printer|camera|speaker} {to my phone|at home|without a cable}?
account: {I forgot|I can't remember|Please reset} my {password|login|user name} {again|since Monday|for the shop}.
account: {Please change|I want to change} my {email address|phone number|name} {in your files|from now on|today}.
account: {I can't|We can't|My wife can't} {log in|sign in|register} {with my email|any more|since yesterday}.
# review of a restaurant | subject
food: The {soup|pasta|fish|cake|rice} {was cold|tasted wonderful|was far too salty|was delicious|burned} {today|again|as always}.
food: {Best|Worst|Freshest|Dullest} {steak|salad|curry|pizza} {of my life|in town|for years|that I remember}.
service: {The waiter|Our waitress|The staff} {ignored us|smiled all evening|was rude|forgot us|helped at once} {today|again|for an hour}.
service: {We waited|They made us wait} {an hour|forever|too long} {for a table|to order|before anybody came}.
price: {Far too|Not at all|Much too|Surprisingly little} {expensive|money} {for lunch|for what you get|in this street}.
price: {We paid|It cost us} {a fortune|very little|twice as much as next door|only ten euros} {for two|in the end|last time}.
# review | mood
positive: {I|We|My family} {loved|enjoyed|adored} {every minute|all of it|the last part|it from the start} {again|so much|this time}.
positive: {What a joy|A wonderful evening|Pure delight}, {and we will come back|from start to end|I can only recommend it}.
negative: {I|We|My family} {hated|regretted|could not stand} {every minute|all of it|the last part|the noise} {again|so much|this time}.
negative: {What a waste of time|A dreadful evening|Pure boredom}, {and never again|from start to end|stay away from it}.
# question | topic
sports: {Who won|Who lost|What was the score of} the {match|final|race|cup} {last night|in 1998|between the two teams}?
sports: {How many goals|Which medals} did {the champion|the striker|our goalkeeper} {get|score|win} {this season|in May}?
health: {What helps|Is there a pill} against {a headache|fever|a sore throat|back pain} {at night|for children|in winter}?
health: {How much sleep|How many vitamins|How much water} does {a baby|an adult|my mother} need {a day|in summer|after an illness}?
travel: {Which train|What flight|Which ferry} {goes|leaves} {to Lisbon|to the coast|from here} {on Sunday|in the morning|tonight}?
travel: {Where can I|Where do people} {stay|rent a car|book a hotel} {in Kyoto|near the beach|for a week}?
money: {How do I|Where should I} {save|invest|borrow} {a thousand dollars|my wages|for a house} {this year|safely|without a bank}?
money: {Why do|When will} {interest rates|stock prices|taxes} {go up|fall|change} {in spring|again|after elections}?
"""


@dataclass(frozen=True)
class Meaning:
    topic: str
    asked: str
    labels: tuple[str, ...]
    label: str
    text: str


def make_meanings(count: int, seed: int = 0, part: Part = "tune") -> Iterator[Meaning]:
    """Short texts, each with a label that it means; no two are equal. More texts than there are, are a `ValueError`."""
    source, wordings = (MEANINGS, FILLERS) if part == "tune" else (held_wordings.MEANINGS, held_wordings.FILLERS)
    rng, seen = random.Random(seed), set[str]()
    kinds: list[tuple[str, str, dict[str, list[str]]]] = []
    for block in source.split("# ")[1:]:
        head, *lines = block.strip().split("\n")
        ways: dict[str, list[str]] = {}
        for line in lines:
            label, _, way = line.partition(": ")
            ways.setdefault(label, []).append(way)
        topic, _, asked = head.partition(" | ")
        kinds.append((topic, asked, ways))
    fillers = wordings.replace("\n", "").split(" | ")
    misses = 0
    while len(seen) < count:
        topic, asked, ways = kinds[len(seen) % len(kinds)]
        label = rng.choice(list(ways))
        said = re.sub(r"{([^}]*)}", lambda found: rng.choice(found[1].split("|")), rng.choice(ways[label]))
        text = " ".join([*rng.sample(fillers, rng.choice((0, 1, 1, 2))), said])
        if text not in seen:
            seen.add(text)
            misses = 0
            yield Meaning(topic, asked, tuple(ways), label, text)
        elif (misses := misses + 1) == 20_000:
            raise ValueError(f"{len(seen)} different texts, and no more: ask for fewer, or take another seed")
