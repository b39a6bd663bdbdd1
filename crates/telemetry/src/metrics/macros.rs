//! How the table and the labels are written down.

/// A static for each metric, and [`super::ALL`] of them.
macro_rules! metrics {
    ($($name:ident: $kind:ident<$labels:ty> = $text:literal, $unit:ident, $target:ident, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $name: $kind<$labels, { <$labels as Labels>::CELLS }> =
                $kind::new(About { name: $text, unit: Unit::$unit, target: Target::$target, help: $help });
        )*

        /// Every metric, in the order of the table.
        pub static ALL: &[&dyn Metric] = &[$(&$name),*];
    };
}

/// A closed label: an enum, its name, and each variant's value.
macro_rules! labels {
    ($($(#[$doc:meta])* $label:ident = $name:literal { $($variant:ident = $value:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $label {
                $(#[doc = concat!("`", $value, "`")] $variant,)*
            }

            impl $label {
                /// Every one of them.
                pub const ALL: &'static [Self] = &[$(Self::$variant),*];

                /// The one whose value is this.
                #[must_use]
                pub fn named(value: &str) -> Option<Self> {
                    Self::find(|v| v == value)
                }

                pub(crate) fn find(is_it: impl Fn(&str) -> bool) -> Option<Self> {
                    Self::ALL.iter().zip(Self::VALUES).find(|(_, v)| is_it(v)).map(|(l, _)| *l)
                }
            }

            impl Label for $label {
                const NAME: &'static str = $name;
                const VALUES: &'static [&'static str] = &[$($value),*];

                fn index(self) -> usize {
                    self as usize
                }
            }
        )*
    };
}
