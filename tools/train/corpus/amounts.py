"""Numbers, clock times, dates, prices and the like, each said in English and German, for everyday.py."""
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "x x twenty thirty forty fifty sixty seventy eighty ninety".split()
EINER = "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".split()
ZEHNER = "x x zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
MONTHS = [("January", "Januar"), ("February", "Februar"), ("March", "März"), ("April", "April"), ("May", "Mai"), ("June", "Juni"), ("July", "Juli"),
          ("August", "August"), ("September", "September"), ("October", "Oktober"), ("November", "November"), ("December", "Dezember")]


def english(n):
    if n >= 1000:
        return f"{english(n // 1000)} thousand" + (f" {english(n % 1000)}" if n % 1000 else "")
    if n >= 100:
        return f"{english(n // 100)} hundred" + (f" {english(n % 100)}" if n % 100 else "")
    return ONES[n] if n < 20 else TENS[n // 10] + (f"-{ONES[n % 10]}" if n % 10 else "")


def german(n):
    if n >= 1000:
        return ("" if n < 2000 else german(n // 1000)).replace("eins", "ein") + ("ein" if n < 2000 else "") + "tausend" + (german(n % 1000) if n % 1000 else "")
    if n >= 100:
        return ("ein" if n < 200 else german(n // 100)) + "hundert" + (german(n % 100) if n % 100 else "")
    if n < 20:
        return EINER[n]
    return ("ein" if n % 10 == 1 else EINER[n % 10] if n % 10 else "") + ("und" if n % 10 else "") + ZEHNER[n // 10]


def both(n, r, digits=0.4):
    return (str(n), str(n)) if r.random() < digits else (english(n), german(n))


def clock(r):
    """With the time's preposition left to the pattern: half past three = halb vier."""
    hour, kind = r.randint(1, 12), r.randrange(8)
    after = hour % 12 + 1
    here, there = ("ein" if hour == 1 else german(hour)), german(after)
    if kind == 0:
        return f"half past {english(hour)}", f"halb {there}"
    if kind == 1:
        return f"a quarter past {english(hour)}", f"Viertel nach {german(hour)}"
    if kind == 2:
        return f"a quarter to {english(after)}", f"Viertel vor {there}"
    if kind == 3:
        n = r.choice([5, 10, 20])
        return (f"{english(n)} past {english(hour)}", f"{german(n)} nach {german(hour)}") if r.random() < 0.5 else (f"{english(n)} to {english(after)}", f"{german(n)} vor {there}")
    if kind == 4:
        n = r.choice(["05", 10, 15, 20, 30, 40, 45, 50])
        return f"{hour}:{n}", f"{hour}:{n} Uhr"
    return f"{english(hour)} o'clock", f"{here} Uhr"


def price(r):
    kind = r.randrange(4)
    if kind == 0:
        n, c = r.randint(1, 99), r.choice([20, 50, 80, 90, 95, 99])
        return f"€{n}.{c}", f"{n},{c} €"
    n = r.choice([2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 20, 25, 30, 35, 40, 45, 50, 60, 75, 80, 90, 99, 100, 120, 150, 200, 250, 300, 500, 800])
    en, de = both(n, r)
    return f"{en} euros", f"{de} Euro"


def date(r):
    day, (month, monat) = r.randint(1, 30), r.choice(MONTHS)
    day = min(day, 28) if month == "February" else day
    return f"{month} {day}", f"{day}. {monat}"


def year(r):
    n = r.randint(1950, 2024)
    return str(n), str(n)


def span(low, high):
    def pick(r):
        return both(r.randint(low, high), r)
    return pick


def big(r):
    n = r.choice([r.randint(2, 9) * 100, r.randint(2, 20) * 1000, r.randint(11, 99) * 10, r.randint(101, 999)])
    if r.random() < 0.5 and n < 1000:
        return str(n), str(n)
    return english(n), german(n)


def phone(r):
    n = "".join(str(r.randint(0, 9)) for _ in range(r.choice([5, 6, 7])))
    return f"0{n}", f"0{n}"


def height(r):
    n = r.randint(50, 98)
    return f"1.{n} meters", f"1,{n} Meter"


def room(r):
    n = str(r.randint(1, 480))
    return n, n


def total(r):
    a, b = r.randint(2, 30), r.randint(2, 30)
    if r.random() < 0.5 and a > b:
        return f"{english(a)} minus {english(b)} is {english(a - b)}", f"{german(a)} minus {german(b)} ist {german(a - b)}"
    return f"{english(a)} plus {english(b)} is {english(a + b)}", f"{german(a)} plus {german(b)} ist {german(a + b)}"


AMOUNTS = {"clock": clock, "price": price, "date": date, "year": year, "age": span(2, 99), "few": lambda r: both(r.randint(2, 12), r, 0.12), "many": span(13, 99), "big": big,
           "phone": phone, "roomno": room, "kilos": span(48, 98), "meters": height, "times": lambda r: both(r.randint(2, 4), r, 0), "hundreds": lambda r: both(r.randint(2, 19) * 50, r, 0.6), "sum": total}
