// Stands in for uc.micro: the classes of characters that browsers know themselves.
export const P = /\p{P}/u;
export const S = /\p{S}/u;
