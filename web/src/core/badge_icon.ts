// The icon of the page with a dot on it.
let made: Promise<string | null> | null = null;
export function dotted(url: string): Promise<string | null> {
  made ??= new Promise((resolve, reject) => {
    const image = new Image();
    image.onerror = reject;
    image.onload = () => {
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = 64;
      const pen = canvas.getContext('2d');
      pen?.drawImage(image, 0, 0, 64, 64);
      if (pen) pen.fillStyle = '#e8590c';
      pen?.beginPath();
      pen?.arc(47, 17, 16, 0, 7);
      pen?.fill();
      canvas.toBlob((blob) => resolve(blob && URL.createObjectURL(blob)));
    };
    image.src = url;
  });
  return made;
}
