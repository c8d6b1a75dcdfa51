use std::collections::HashMap;

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::{Id, JoinSet},
};

use super::Shares;

#[test]
fn a_delivery_goes_to_the_thread_that_makes_the_fewest() {
    let start = |_| Builder::new_multi_thread().worker_threads(1).build().expect("it starts");
    let runtimes: Vec<Runtime> = (0..3).map(start).collect();
    let mut shares = Shares::over(runtimes.iter().map(|runtime| runtime.handle().clone()));
    let mut under_way = JoinSet::new();
    let mut give = |shares: &mut Shares| shares.give(&mut under_way, async { Handle::current().id() });
    let mut given: Vec<Id> = (0..6).map(|_| give(&mut shares)).collect();
    for (number, id) in given.iter().enumerate() {
        if number % 3 != 1 {
            shares.ended(*id);
        }
    }
    given.extend((0..4).map(|_| give(&mut shares)));

    let mut ran = HashMap::new();
    while let Some(ended) = runtimes[0].block_on(under_way.join_next_with_id()) {
        ran.extend([ended.expect("it ends")]);
    }
    let where_each_ran: Vec<_> = given.iter().map(|id| ran[id]).collect();
    let expected: Vec<_> =
        [0, 1, 2, 0, 1, 2, 0, 2, 0, 2].iter().map(|number| runtimes[*number].handle().id()).collect();
    assert_eq!(where_each_ran, expected);
}
