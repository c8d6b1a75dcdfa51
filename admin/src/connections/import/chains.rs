//! Which rows have to wait for each other.

use std::collections::HashMap;

/// Puts rows that share a key into one chain, in their order; rows of different chains share none.
pub(super) fn chains<T>(rows: Vec<T>, keys: impl Fn(&T) -> Vec<String>) -> Vec<Vec<T>> {
    let mut chains: Vec<Vec<(usize, T)>> = Vec::new();
    let mut chain_of: HashMap<String, usize> = HashMap::new();
    for (at, row) in rows.into_iter().enumerate() {
        let keys = keys(&row);
        let mut met: Vec<usize> = keys.iter().filter_map(|key| chain_of.get(key).copied()).collect();
        met.sort_unstable();
        met.dedup();
        let into = met.first().copied().unwrap_or(chains.len());
        let mut joined = vec![(at, row)];
        for from in &met {
            joined.extend(chains.get_mut(*from).map(std::mem::take).unwrap_or_default());
        }
        joined.sort_by_key(|(at, _)| *at);
        match chains.get_mut(into) {
            Some(chain) => *chain = joined,
            None => chains.push(joined),
        }
        // Keys of the chains that were joined lead to this one from now on.
        if met.len() > 1 {
            chain_of.values_mut().filter(|chain| met.contains(chain)).for_each(|chain| *chain = into);
        }
        chain_of.extend(keys.into_iter().map(|key| (key, into)));
    }
    let rows = chains.into_iter().map(|chain| chain.into_iter().map(|(_, row)| row).collect());
    rows.filter(|chain: &Vec<T>| !chain.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_share_a_key_are_one_chain_in_their_order() {
        let rows = ["a 1", "b 2", "c 3", "d 1 2", "e 4", "c 5", "f 5 4", "g 6"];
        let keys = |row: &&str| row.split(' ').map(ToOwned::to_owned).collect();
        let chains = chains(rows.to_vec(), keys);
        let wanted = [vec!["a 1", "b 2", "d 1 2"], vec!["c 3", "e 4", "c 5", "f 5 4"], vec!["g 6"]];
        assert_eq!(chains, wanted);
    }
}
