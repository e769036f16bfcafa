"""The wordings of `benchmarks.labelled` that are held out: `make_rows(..., part="held")` and `make_meanings(..., part="held")`.

Look at answers to them, and never choose by them: no prompt, setting or description was made with these in sight. The notation
is that of `benchmarks.labelled`. Kinds of text that occur there have the same fields and labels here, in words that don't occur
there; the last two kinds of text and the last topic of `MEANINGS` are new altogether.
"""

TASKS = """
# support ticket | customer: $people | order_number: 1000..9999 | urgent? Please hurry, this cannot wait / Take your time over it
category = billing: File it under _, I suppose; shipping; technical: On your form I would tick _; account
> Hello, {customer} here. {category}. {urgent}. For your records: purchase {order_number}.
> Purchase {order_number} gives me trouble. {urgent}. {category}. Greetings from {customer}.
> {urgent}! {category}. Purchase no. {order_number}, bought by {customer}.
# weather report | city: $cities | temperature: 2..39 | wind_speed: 3..90
condition = sunny: Expect a _ sky; rainy: It stays _ all day; snowy; cloudy; foggy: Drivers will find it _ | storm? A storm passes through / No storm is near
> {city} today: {condition}. Thermometers show {temperature} degrees. Gusts reach {wind_speed} km/h. {storm}.
> {storm}, say the forecasters of {city}. {condition}. Air: {temperature} degrees, gusts: {wind_speed} km/h.
# person | name: $people | age: 18..90 | city: $cities | married? has a ring on the finger, being married / has never been married
occupation = doctor: earns a living as a _; teacher: became a _ long ago; farmer; lawyer; pilot: is a _ by trade; chef
> Our guest tonight, {name}, turned {age} last month, {occupation}, and {married}. Home is {city}.
> From {city} comes {name}, who {married}, {occupation}, and blew out {age} candles.
# product | product: bread knife, wall clock, tent, fruit bowl, door mat | price: 5..300 | brand: Pellmore, Quist, Tarrow
color = red: Comes in _; blue; green: You will get it in _; black; white | size = small: Choose it in _; medium; large: Only the _ one is left
in_stock? Ready to leave our shelves, in stock / Not in stock before autumn
> {product} by {brand}. {size}. {color}. {in_stock}. Yours for {price} dollars.
> Only {price} dollars! {in_stock}. The {product} that {brand} is known for. {color}. {size}.
# film review | title: Salt and Iron, The Ninth Window, A Boat for Ada, Winter Rules | reviewer: $people | rating: 1..11
sentiment = positive: Put me down as _, what a joy; negative: Put me down as _, what a bore; neutral: Put me down as _
genre = comedy: They sell it as a _; horror; drama: At heart this is a _; western | recommended? Go and watch it / Stay at home instead
> {title}: {rating} of 10 points by {reviewer}. {sentiment}. {genre}. {recommended}.
> {genre}. {title}, that is. {recommended}, writes {reviewer}. {sentiment}. That makes {rating} of 10 points.
# flight | airline: Heron Air, Cloudline, Meridia | origin: Valencia, Krakow, Tunis | destination: $cities | gate: 1..60
status = delayed: Passengers hear that it is _; cancelled; boarding: The board reads _; landed | meal? Hot food comes with the ticket / Bring your own food, none is sold on board
> {origin} to {destination} with {airline}: {status}. {meal}. Please go to gate {gate}.
> Attention at gate {gate}! {status}. You fly {airline} out of {origin} and into {destination}. {meal}.
# recipe | dish: mushroom risotto, plum cake, pea curry, onion tart | servings: 2..13 | minutes: 10..120 | vegan? Nothing from animals is in it, so vegans may eat it / With butter and eggs, so not for vegans
course = breakfast: We cook it for _; lunch; dinner: Best eaten as _; dessert | difficulty = easy: Beginners, note that it is _; medium; hard: The author calls it _
> {dish}, for {servings} hungry people. {course}. {minutes} minutes at the stove. {difficulty}. {vegan}.
> {difficulty}. {vegan}. You feed {servings} people with one {dish}, within {minutes} minutes. {course}.
# job advert | title: bus driver, gardener, accountant, welder | company: Pellmore, Quist, Tarrow | city: $cities
salary: 30000..120000 | remote? Work from wherever you like / You come to our office each day
level = junior: We think of someone _; senior; trainee: You would start as a _ colleague | contract = full-time: On offer: _ work; part-time; temporary: It would be a _ post
> {company} looks for you as {title}! {contract}. {level}. {remote}. You earn {salary} dollars, near {city}.
> Become {title} in {city}. {remote}. {level}. Paid with {salary} dollars. {contract}. Ask for the people of {company}.
# hotel booking | guest: $people | nights: 1..15 | room: 100..899 | city: $cities | breakfast? Breakfast is paid for / Breakfast is extra
bed = single: They sleep in a _ bed; double; twin: Two of them share a _ room | purpose = business: The stay is for _; holiday; wedding: They come for a _
> Room {room} goes to {guest}, {nights} nights, {city}. {bed}. {breakfast}. {purpose}.
> {guest} arrives in {city}. {purpose}. {breakfast}. Nights: {nights}. {bed}. Key to {room} is in the safe.
# lost property report | finder: $people | shelf: 1..80 | city: $cities | valuable? Worth a good deal / Of little worth
object = umbrella: Somebody left an _; wallet: Somebody left a _; phone; glove; suitcase | place = bus: It lay in a _; station; park: It was picked up in the _; theatre
> {finder} brought it in, {city} office. {object}. {place}. {valuable}. Now on shelf {shelf}.
> Shelf {shelf}. {object}. {valuable}. {place}, by {finder} from {city}.
"""
LISTS = {
    "$people": "Nadia Osei, Henrik Dahl, Rosa Quintero, Yusuf Demir, Clara Whitlock, Ivo Marek, Mei Tanaka, Oscar Blanchet, Tilda Moss",
    "$cities": "Porto, Calgary, Mombasa, Tromso, Tucson, Osaka, Malmo, Boston, Quito, Brno, Granada, Hobart, Cork",
}
WORDINGS = """Please note down {fields}, as this {topic} has it. | Here is a {topic}; copy {fields} out of it. | Your task: tell me
 {fields}, going by nothing but the {topic}. | Which values does the {topic} state for {fields}? | Fill the blanks ({fields})
 with the help of a {topic}. | A clerk wants {fields} of each {topic} on file."""
FILLERS = """Recycle this sheet after use. | Our doors open at nine. | Page two was left blank on purpose. | A colleague typed this
 up on a rainy Tuesday. | Spelling has not been checked. | Forwarded by the front desk. | Kindly disregard earlier versions.
 | The coffee machine has been repaired, by the way."""

MEANINGS = """
# message to a shop | department
billing: {Your bank|Someone over there} {booked|deducted} {40 dollars more than agreed|the same sum three times|a sum nobody knows}.
billing: {I'd like|We expect} a {refund|credit note|partial repayment} for {what I returned in May|those broken glasses|order six}.
billing: Where {can I find|do you hide} {the VAT|a receipt|an itemised statement} for {January|last quarter|our two desks}?
delivery: {Nobody rang|Tracking has stood still|I waited in vain} {since Friday noon|all weekend|from dawn till dusk}.
delivery: {Could it be sent|Would you ship it} to {my office|a pick-up point|my aunt's place} {instead|before Easter}?
delivery: {Half of the shipment|One of three cartons|Everything but the lid} {has yet to turn up|seems lost in transit}.
technical: {Red light|Error 47|Nothing but static} {blinks at me|is all I get} {whenever I press start|since installing version 9}.
technical: {Bluetooth|The sensor|Our scanner} {drops out|won't pair|overheats} {after ten minutes|near the window|on cold mornings}.
technical: Is there {a trick|some way|a manual} to {update the firmware|calibrate it|get sound out of it}?
account: {Two-step codes|Reset mails|Your verification links} {never reach me|have expired|go to a phone I sold}.
account: {Delete|Close|Merge} {my profile|both of our profiles|what you store about me}, {if you would|please, for good}.
account: {A stranger|My ex|An unknown device} {is logged in as me|changed my sign-in data|uses my membership}.
# review of a restaurant | subject
food: {Dumplings|Oysters|Those noodles|Grandma's stew} {melted on the tongue|tasted of dishwater|came out raw|deserve a medal}.
food: {Not enough salt|Too much garlic|Perfect seasoning|Soggy crust}, {sadly|no question|if you ask me}.
food: {My trout|Their lasagne|Each dessert} {was reheated|could not be fresher|beat my mother's}.
service: {Nobody|A grumpy man|One lovely girl} {took our coats|refilled our glasses|explained each wine} {without being asked|at any point}.
service: {Forty minutes passed|The sun went down} {until anyone noticed us|before we saw a menu|and still no cutlery}.
service: {They mixed up our plates|He rolled his eyes at us|She remembered our names}, {twice over|imagine that}.
price: {Nineteen for a toast|Sixty a head|Three courses under twelve}, {are they serious|you won't find that elsewhere|do the sums}.
price: {Bring|Leave} your {savings|credit card} {at the ready|at home, you'll need just coins}.
price: {Portions shrink while bills grow|Good value, even with drinks|A bargain compared with the neighbours}.
# review | mood
positive: {Couldn't stop smiling|Laughed until it hurt|Left with wet, happy eyes}, {honestly|and so did Grandpa|all the way home}.
positive: {Ten out of ten|Chapeau|Bravo} {to everyone involved|for such craft|, more of this please}!
positive: {Already booked|Already planning} {our next visit|seats for my sister|a second round}.
negative: {Walked out|Fell asleep|Checked my watch} {halfway through|after twenty minutes|more often than I can count}.
negative: {Give me|I demand} {those two hours|my Saturday} {back|back at once}.
negative: {Sloppy|Lifeless|Insulting} {from A to Z|and overlong|beyond repair}, {spare yourself|I pity the usher}.
# question | topic
sports: {Did|Could} {the rookie|our captain|Team Blue} {break the record|hold the lead|beat last year's winners}?
sports: {Why was|When was} {the referee|a penalty|extra time} {replaced|given|called off} {in round two|against Norway}?
health: {Is it normal|Should I worry} {to cough for weeks|if a rash spreads|when my pulse races} {after jogging|at forty}?
health: Which {vaccine|diet|exercise} {suits|protects} {toddlers|a weak heart|people with asthma}?
travel: {Do I need|Must we have} {a visa|a booster seat|snow tyres} {for Iceland|to cross the border|on that pass}?
travel: {Any|Name some} {quiet islands|night buses|campsites} {around Split|within reach of Vienna|off the beaten track}?
money: {Are|Were} {index funds|pension plans|savings bonds} {worth it|taxed twice|risky} {at my age|under the new law}?
money: {Can you|May banks} {deduct|write off} {a laptop|mileage|student debt} {as self-employed|after moving abroad}?
# call to a library | desk
lending: {May I keep|Would you extend} {the atlas|both novels|that cookbook} {for ten more days|over the holidays}?
lending: {My card|Her pass} {was refused|ran out} at the {self-checkout|returns slot}.
events: {Is there room left|Are children welcome} at {the poetry night|Sunday's puppet show|your chess meeting}?
events: {Who reads|What is on} {in the cellar|upstairs} {on Thursday the third|during book week}?
rooms: {Could six of us|Might our choir} {have the glass cabin|use your hall} {from two to four|one evening a week}?
rooms: {Has anybody reserved|Who holds the key to} {the study booth|meeting place B}?
"""
