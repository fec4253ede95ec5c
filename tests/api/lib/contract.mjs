export function checkAnswer() {}
