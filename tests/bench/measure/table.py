"""Tables, as they stand in the documentation."""


def table(title, columns, rows):
    print(f"\n## {title}\n")
    print(f"| {' | '.join(columns)} |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print(f"| {' | '.join(row)} |")


def ms(side, name):
    value = side.get(name)
    return "" if value is None else f"{value:.2f}"


def pairs(side, name):
    return ", ".join(f"{key} {value:g}" for key, value in side.get(name, {}).items())
