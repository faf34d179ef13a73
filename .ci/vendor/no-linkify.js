// Stands in for linkify-it, which markdown-it uses only with the option `linkify`.
export class LinkifyIt {}
