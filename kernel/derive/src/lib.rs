//! The derive macro of `patchbay::nn::Network`, which documents what it makes.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, Index, LitStr, Member, Result, Type,
    parse_macro_input, parse_quote, spanned::Spanned,
};

/// Implements `nn::Network` and `Show` for a struct or an enum of layers.
///
/// `#[network(skip)]` leaves a field out, `#[network(rename = "0")]` gives its parameters another name, and `#[network(no_show)]`
/// before the type leaves `Show` to be written by hand.
#[proc_macro_derive(Network, attributes(network))]
pub fn network(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// A field that is a part of the network.
struct Part {
    member: Member,
    name: String,
    ty: Type,
}

impl Part {
    /// Where the field's type stands, for errors; names are found as they are at the derive.
    fn span(&self) -> Span {
        Span::call_site().located_at(self.ty.span())
    }
}

#[derive(Default)]
struct Options {
    skip: bool,
    rename: Option<String>,
    no_show: bool,
}

fn options(attributes: &[Attribute], of_type: bool) -> Result<Options> {
    let mut options = Options::default();
    for attribute in attributes {
        if !attribute.path().is_ident("network") {
            continue;
        }
        attribute.parse_nested_meta(|meta| {
            if of_type && meta.path.is_ident("no_show") {
                options.no_show = true;
            } else if !of_type && meta.path.is_ident("skip") {
                options.skip = true;
            } else if !of_type && meta.path.is_ident("rename") {
                options.rename = Some(meta.value()?.parse::<LitStr>()?.value());
            } else {
                return Err(meta.error(if of_type {
                    "of a network there is `#[network(no_show)]`"
                } else {
                    "of a field there are `#[network(skip)]` and `#[network(rename = \"0\")]`"
                }));
            }
            Ok(())
        })?;
    }
    Ok(options)
}

fn parts_of(fields: &Fields) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let options = options(&field.attrs, false)?;
        if options.skip {
            continue;
        }
        let member = member(field, index);
        let name = match (&options.rename, &member) {
            (Some(name), _) => name.clone(),
            (None, Member::Named(name)) => name.to_string().trim_start_matches("r#").to_owned(),
            (None, Member::Unnamed(index)) => index.index.to_string(),
        };
        parts.push(Part {
            member,
            name,
            ty: field.ty.clone(),
        });
    }
    Ok(parts)
}

fn member(field: &Field, index: usize) -> Member {
    match &field.ident {
        Some(name) => Member::Named(name.clone()),
        None => Member::Unnamed(Index::from(index)),
    }
}

/// The arms of a `match` on the network: a pattern, and a call of `Field` for each part.
fn arm(
    path: &TokenStream,
    parts: &[Part],
    call: impl Fn(&Ident, &Part) -> TokenStream,
) -> TokenStream {
    let variables: Vec<_> = (0..parts.len())
        .map(|index| format_ident!("part_{index}"))
        .collect();
    let members = parts.iter().map(|part| &part.member);
    let calls = parts
        .iter()
        .zip(&variables)
        .map(|(part, variable)| call(variable, part));
    quote! {
        #path { #(#members: #variables,)* .. } => { #(#calls)* }
    }
}

fn expand(mut input: DeriveInput) -> Result<TokenStream> {
    let own = options(&input.attrs, true)?;
    let variants: Vec<(TokenStream, Vec<Part>)> = match &input.data {
        Data::Struct(data) => vec![(quote!(Self), parts_of(&data.fields)?)],
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| {
                let name = &variant.ident;
                Ok((quote!(Self::#name), parts_of(&variant.fields)?))
            })
            .collect::<Result<_>>()?,
        Data::Union(_) => {
            return Err(Error::new_spanned(
                &input.ident,
                "a network is a struct or an enum",
            ));
        }
    };
    if variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "a network has at least one variant",
        ));
    }

    // What a type parameter stands for is known to the caller alone: that it is a part is asked of them.
    let parameters: Vec<_> = input
        .generics
        .type_params()
        .map(|p| p.ident.clone())
        .collect();
    let open: Vec<Type> = variants
        .iter()
        .flat_map(|(_, parts)| parts)
        .map(|part| part.ty.clone())
        .filter(|ty| mentions(quote!(#ty), &|word| parameters.iter().any(|p| p == word)))
        .collect();
    if !open.is_empty() {
        let clause = input.generics.make_where_clause();
        for ty in open {
            clause
                .predicates
                .push(parse_quote!(#ty: ::patchbay::nn::Field));
        }
    }

    let add = variants.iter().map(|(path, parts)| {
        arm(path, parts, |field, part| {
            // The error of a field that is no part stands where the field's type does.
            let (ty, name) = (&part.ty, &part.name);
            quote_spanned!(part.span()=> <#ty as ::patchbay::nn::Field>::add_to(#field, #name, &mut parts);)
        })
    });
    let map = variants.iter().map(|(path, parts)| {
        arm(path, parts, |field, part| {
            let ty = &part.ty;
            quote_spanned!(part.span()=> <#ty as ::patchbay::nn::Field>::map_tensors(#field, map)?;)
        })
    });
    let (ident, name) = (&input.ident, input.ident.to_string());
    let (generics, types, clause) = input.generics.split_for_impl();
    let show = (!own.no_show).then(|| {
        quote! {
            #[automatically_derived]
            impl #generics ::patchbay::Show for #ident #types #clause {
                fn show(&self) -> ::patchbay::MimeBundle {
                    ::patchbay::nn::show_network(self)
                }
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::patchbay::nn::Network for #ident #types #clause {
            fn type_name(&self) -> ::std::borrow::Cow<'_, str> {
                ::std::borrow::Cow::Borrowed(#name)
            }

            #[allow(unused_mut)]
            fn parts(&self) -> ::std::vec::Vec<::patchbay::nn::Part<'_>> {
                let mut parts = ::std::vec::Vec::new();
                match self { #(#add)* }
                parts
            }

            #[allow(unused_variables)]
            fn map_tensors(
                &mut self,
                map: &mut ::patchbay::nn::TensorMap<'_>,
            ) -> ::patchbay::candle::Result<()> {
                match self { #(#map)* }
                ::std::result::Result::Ok(())
            }
        }

        #show
    })
}

/// Whether one of the words of these tokens is looked for.
fn mentions(tokens: TokenStream, is_looked_for: &dyn Fn(&Ident) -> bool) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => is_looked_for(&word),
        TokenTree::Group(group) => mentions(group.stream(), is_looked_for),
        _ => false,
    })
}
