//! Did-you-mean.

/// Says which of some words may have been meant, as a remedy: the nearest one, or all of them.
pub(crate) fn near(written: &str, words: &[&str]) -> String {
    let allowed = |word: &str| 1 + written.chars().count().min(word.chars().count()) / 3;
    let nearest = words.iter().map(|word| (distance(written, word), *word)).min();
    match (nearest, words) {
        (Some((steps, word)), _) if steps <= allowed(word) => format!("did you mean {word:?}?"),
        (_, []) => "remove it".to_owned(),
        (_, [only]) => format!("use {only}"),
        (_, words) => format!("use one of {}", words.join(", ")),
    }
}

/// How many characters must be changed, added or left out to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((to, pair), left) in b.iter().zip(row.windows(2)).zip(0..) {
            let &[diagonal, above] = pair else { continue };
            let left = next.get(left).copied().unwrap_or(usize::MAX - 1);
            next.push((diagonal + usize::from(from != *to)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_proposed_and_far_words_are_listed() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(near("secert", &["secrets", "id"]), "did you mean \"secrets\"?");
        assert_eq!(near("colour", &["secrets", "id"]), "use one of secrets, id");
    }
}
