//! One declaration per section: its type, how it is read, and what the default file says about it.

/// A setting, for the default file.
pub(crate) struct Field {
    /// Its key.
    pub(crate) name: &'static str,
    /// Its documentation, line by line.
    pub(crate) docs: &'static [&'static str],
    /// Its default or an example, as TOML.
    pub(crate) value: &'static str,
    /// What leaving it out means.
    pub(crate) absent: Absent,
}

/// What leaving a setting out means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// An error.
    Refused,
    /// Something else than any value.
    Unset,
    /// The value shown.
    Default,
}

/// Declares a section. After the type of each field stands what its absence means, with TOML as the default file shows it:
/// `required(example)`, `optional(example)` (absent is the default of the type: nothing, or an empty list),
/// `default(value)`, or `computed(value) by function` and `deduced(example) by function`, where the function gets the
/// table. For the others `by` names a reader of the value that checks more than its type does.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        #[derive($($derive:ident),+)]
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                pub $field:ident: $type:ty $(as $key:ident)? = $mode:ident($($text:tt)*) $(by $read:path)?,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive($($derive),+)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                pub $field: $type,
            )+
        }

        impl $name {
            /// What it is for, line by line, for the default file.
            pub(crate) const ABOUT: &'static [&'static str] = &[$($about),+];

            /// Its settings, for the default file.
            pub(crate) const FIELDS: &'static [$crate::section::declare::Field] = &[$(
                $crate::section::declare::section!(@field $mode
                    [$crate::section::declare::section!(@key $field $($key)?)] [$($doc)+] $($text)*)
            ),+];

            /// Reads it; all of its settings are looked at even when one is wrong.
            pub(crate) fn read(table: &$crate::read::Table<'_>) -> Option<Self> {
                $(
                    let $field = $crate::section::declare::section!(@read $mode table
                        [$crate::section::declare::section!(@key $field $($key)?)] [$type] [$($read)?] $($text)*);
                )+
                Some(Self { $($field: $field?),+ })
            }
        }
    };

    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:ident) => { stringify!($key) };

    (@absent required) => { $crate::section::declare::Absent::Refused };
    (@absent default) => { $crate::section::declare::Absent::Default };
    (@absent computed) => { $crate::section::declare::Absent::Default };
    (@absent $mode:ident) => { $crate::section::declare::Absent::Unset };

    (@field $mode:ident [$key:expr] [$($doc:literal)+] $($value:tt)+) => {
        $crate::section::declare::Field {
            name: $key,
            docs: &[$($doc),+],
            value: stringify!($($value)+),
            absent: $crate::section::declare::section!(@absent $mode),
        }
    };

    (@reader [$type:ty] []) => { <$type as $crate::read::Read>::read };
    (@reader [$type:ty] [$read:path]) => { $read };

    (@read required $table:ident [$key:expr] [$type:ty] [$($read:path)?] $($example:tt)+) => {
        $table.required_like($key, stringify!($($example)+), $crate::section::declare::section!(@reader [$type] [$($read)?]))
    };
    (@read optional $table:ident [$key:expr] [$type:ty] [$($read:path)?] $($example:tt)+) => {
        $table.optional($key, $crate::section::declare::section!(@reader [$type] [$($read)?]))
    };
    (@read default $table:ident [$key:expr] [$type:ty] [$($read:path)?] $($value:tt)+) => {
        $table.default($key, stringify!($($value)+), $crate::section::declare::section!(@reader [$type] [$($read)?]))
    };
    (@read deduced $table:ident [$key:expr] [$type:ty] [$read:path] $($example:tt)+) => { $read($table) };
    (@read computed $table:ident [$key:expr] [$type:ty] [$read:path] $($example:tt)+) => { $read($table) };
}

pub(crate) use section;
