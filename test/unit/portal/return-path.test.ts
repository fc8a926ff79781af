import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { returnPath } from '../../../src/portal/return-path.ts';

describe('open redirects', () => {
  test.each([
    'https://evil.example/',
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/%2f/evil.example',
    '/..//evil.example',
    '/.//evil.example',
    ' //evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    'javascript:alert(1)',
    '/passwords?next=https://evil.example',
    '/passwords#x',
    '@evil.example',
    '/a/../b',
    '',
    `/${'a'.repeat(1000)}`,
    ['/passwords', '/admin'],
    undefined,
    '/sign-in',
    '/sign-in?return=/sign-in',
    '/sign-out',
    '/signed-out',
  ])('%j leads to the first page', (wanted) => {
    expect(returnPath(wanted)).toBe('/');
  });

  test.each([
    '/',
    '/passwords/new',
    '/passwords/ap_abc-1/delete',
    '/admin?q=alice%40example.com',
    `/new?name=Dad's+laptop+(old)*&use=mail`,
    '/sign-ins',
  ])('%s is a page of ours', (wanted) => {
    expect(returnPath(wanted)).toBe(wanted);
  });

  test('whatever comes in, the browser stays on this origin', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc
        .array(
          fc.constantFrom('/', '\\', ':', '.', '@', '?', '#', '%2f', '\t', 'evil.example', 'https', 'a'),
          { maxLength: 8 },
        )
        .map((parts) => `/${parts.join('')}`),
    );
    fc.assert(
      fc.property(texts, (wanted) => {
        expect(new URL(returnPath(wanted), 'https://portal.example.com').origin).toBe(
          'https://portal.example.com',
        );
      }),
      { numRuns: 2000 },
    );
  });
});
