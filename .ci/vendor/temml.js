import temml from "temml";

// The tree is turned into nodes by the page, which refuses styles in attributes.
export const tree = temml.__renderToMathMLTree;
