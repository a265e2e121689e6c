// Read when the GraphQL packages load, so this module comes before them in every import list.
// Their development mode checks our plans again at each request, and is for those who ask for it.
process.env.GRAPHILE_ENV ??= "production";
