// What the tab says of jobs while another one is in front.

let shown = 0;
let plain = '';

/** A dot on the page's icon, and a number where the page is installed. */
export function badge(active: number): void {
  if (active === shown) return;
  shown = active;
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (link) {
    plain ||= link.href;
    if (active === 0) link.href = plain;
    else void import('./badge_icon.js').then(({dotted}) => dotted(plain)).then((url) => url && shown > 0 ? (link.href = url) : null, () => undefined);
  }
  void navigator.setAppBadge?.(active).catch(() => undefined);
}

const KEY = 'espalier.tell';

/** Whether the browser tells of jobs that have ended. */
export function tells(): boolean {
  return 'Notification' in window && Notification.permission === 'granted' && localStorage.getItem(KEY) === 'yes';
}

/** Asks the browser for it; false where it refuses. */
export async function setTells(wanted: boolean): Promise<boolean> {
  if (wanted && (!('Notification' in window) || (await Notification.requestPermission()) !== 'granted')) return false;
  localStorage.setItem(KEY, wanted ? 'yes' : 'no');
  return wanted;
}

/** Only where nobody looks at the page. */
export function tell(text: string, onclick: () => void): void {
  if (!document.hidden || !tells()) return;
  const note = new Notification(text, {icon: '/favicon.svg'});
  note.onclick = () => {
    window.focus();
    onclick();
  };
}
