// A small experiment that needs no API key and no network: the demo algorithms answer questions about one page of
// text. The questions, the answers, and the differences are real.
import { newDraft } from "./draft.js";

const TEXT = `The Lindqvist workshop opened in 1962 under Marta Lindqvist in Falun. It employs 48 people, nine of them apprentices. The main hall covers 1,250 square meters. The new pump delivers 40 liters a minute. It must not be run below 5 degrees. The old pump delivered 25 liters a minute and is kept as a spare. A service takes 3 hours and costs 180 euros. Filters are changed every 6 weeks. The warranty lasts 24 months from delivery. Orders above 500 euros are shipped without charge. The office answers calls between 8 and 16 hours. Complaints go to the quality desk, which replies within 10 days. Spare parts are kept for 15 years. The motor draws 750 watts and weighs 31 kilograms. The housing is made of stainless steel. Hoses are tested at 12 bar. The largest customer is the dairy in Mora. Deliveries leave on Tuesdays and Fridays. Invoices are due within 30 days. A training course lasts 2 days and takes at most 6 people. The night shift ended in 2009. The roof carries 96 solar panels. They cover a third of the electricity. The canteen opens at 7.`;

const QUESTIONS = [
  ["How many liters a minute does the new pump deliver?", "40 liters"],
  ["Below how many degrees must the new pump not be run?", "5 degrees"],
  ["How many liters a minute did the old pump deliver?", "25 liters"],
  ["How long does a service take?", "3 hours"],
  ["How much does a service cost?", "180 euros"],
  ["How often are the filters changed?", "6 weeks"],
  ["How long does the warranty last?", "24 months"],
  ["From what amount are orders shipped without charge?", "500 euros"],
  ["When does the office answer calls?", "8 and 16"],
  ["Within how many days does the quality desk reply to complaints?", "10 days"],
  ["For how many years are spare parts kept?", "15 years"],
  ["How many watts does the motor draw?", "750 watts"],
  ["How many kilograms does the motor weigh?", "31 kilograms"],
  ["What is the housing made of?", "stainless steel"],
  ["At which pressure are hoses tested?", "12 bar"],
  ["Who is the largest customer?", "dairy"],
  ["On which days do deliveries leave?", "Tuesdays"],
  ["Within how many days are invoices due?", "30 days"],
  ["How long does a training course last?", "2 days"],
  ["When did the night shift end?", "2009"],
  ["How many solar panels does the roof carry?", "96 solar"],
  ["What part of the electricity do the solar panels cover?", "a third"],
  ["When does the canteen open?", "opens at 7"],
  ["In which town is the workshop?", "Falun"],
];

/** Returns a complete draft that uses these demo models. */
export function demoDraft(models) {
  const demo = models.filter((model) => model.mock && model.available).map((model) => model.id);
  return {
    ...newDraft(),
    name: "Which demo algorithm finds the figure?",
    cases: QUESTIONS.map(([prompt, expected]) => ({ prompt, expected })),
    axes: { model: demo, prompt: [`${TEXT}\n\n{{question}}`], max_tokens: [null, 120] },
    // A plausible initial choice, not necessarily the best one.
    current: { model: demo.at(-1), max_tokens: null },
    evaluator: { kind: "contains" },
    seed: 1,
  };
}

/** Whether there are enough demo models to run the experiment. */
export const hasDemo = (models) => models.filter((model) => model.mock && model.available).length > 1;
