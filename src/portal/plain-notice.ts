// A page of one sentence, for when nothing else can be shown: the pages' own code failed.

export function plainNotice(text: string): string {
  return `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Postern</title><p>${text}</p></html>\n`;
}
