mod blob;
mod kernel;
mod lookups;
mod malformed;
