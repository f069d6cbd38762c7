function v(e){let r=e instanceof Uint8Array?e:new Uint8Array(e),i=new DataView(r.buffer,r.byteOffset,4).getUint32(0,!0),a=JSON.parse(new TextDecoder().decode(r.subarray(4,4+i))),t=4+i,s=new Map;for(let{name:d,type:n,bytes:o}of a.parts)s.set(d,{type:n,bytes:r.slice(t,t+o)}),t+=o;return{...a,parts:s}}function x(){let e=[];return{of(r){let i=URL.createObjectURL(new Blob([r.bytes],{type:r.type}));return e.push(i),i},free(){e.splice(0).forEach(r=>URL.revokeObjectURL(r))}}}var h=`:host { display: block; }
.viewer {
  --line: var(--st-border-color, #8884);
  --soft: var(--st-secondary-background-color, #f2f2f4);
  --ink: var(--st-text-color, #222);
  --paper: var(--st-background-color, #fff);
  --accent: var(--st-primary-color, #2563eb);
  --radius: var(--st-base-radius, 8px);
  font: 14px/1.4 var(--st-font, system-ui, sans-serif);
  color: var(--ink);
  display: flex; flex-direction: column; gap: 8px;
  min-width: 0;
}
.viewer * { box-sizing: border-box; }
.stage {
  position: relative; overflow: hidden; width: 100%;
  border: 1px solid var(--line); border-radius: var(--radius); background: var(--soft);
}
.stage:focus-visible, button:focus-visible, input:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 1px;
}
.stage canvas, .stage img { display: block; }
.checker {
  background: repeating-conic-gradient(#d4d4d8 0 25%, #fafafa 0 50%) 0 0 / 20px 20px;
}
.paper { background: #fff; }
.night { background: #17181c; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.bar .grow { flex: 1; }
.bar .note { opacity: .75; font-size: 13px; }
button {
  font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: var(--radius);
  min-width: 34px; min-height: 34px; padding: 4px 9px; cursor: pointer;
}
button:hover { border-color: var(--accent); }
button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); background: color-mix(in srgb, var(--accent) 12%, var(--paper)); }
.trouble { margin: 0; padding: 10px 12px; border: 1px solid var(--line); border-left: 3px solid #c2410c; border-radius: var(--radius); background: var(--soft); }
.small .bar, .small details, .small .strip { display: none; }
details > summary { cursor: pointer; }
.layers { list-style: none; margin: 8px 0 0; padding: 0; max-height: 240px; overflow: auto; display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 2px 12px; }
.layers label { display: flex; gap: 8px; align-items: center; padding: 3px 2px; min-height: 30px; cursor: pointer; }
.layers i { width: 16px; height: 16px; flex: none; border: 1px solid var(--line); border-radius: 3px; }
.layers span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.strip { display: flex; gap: 3px; overflow-x: auto; }
.strip button { padding: 0; border: 2px solid transparent; border-radius: 4px; flex: 1 0 56px; background: none; line-height: 0; overflow: hidden; }
.strip button.now { border-color: var(--accent); }
.strip canvas { width: 100%; height: auto; display: block; }
video { width: 100%; max-height: 540px; display: block; background: #000; border-radius: var(--radius); }
.small video { max-height: 220px; }
audio { width: 100%; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
.pair figure { margin: 0; min-width: 0; }
.pair figcaption { font-size: 13px; opacity: .8; margin-bottom: 3px; }
.pair canvas { width: 100%; height: auto; display: block; touch-action: manipulation; border-radius: var(--radius); border: 1px solid var(--line); }
@media (max-width: 420px) { .pair { gap: 4px; } }
input[type="range"] { accent-color: var(--accent); width: 100%; min-height: 28px; margin: 0; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
iframe { border: 1px solid var(--line); border-radius: var(--radius); width: 100%; background: var(--paper); }
`;var u=new WeakMap;function w(e,r){return({data:i,parentElement:a})=>{let t=v(i),s=u.get(a);if(s?.stamp===t.stamp)return s.view?.retheme?.(),s.end;s?.end();let d=Object.assign(document.createElement("style"),{textContent:h}),n=p("div",{className:"viewer"});n.dataset.viewer=e,t.small&&n.classList.add("small"),a.append(d,n);let o={stamp:t.stamp,view:null,gone:!1};o.end=()=>{o.gone=!0,o.view?.end?.(),o.view=null,d.remove(),n.remove(),u.get(a)===o&&u.delete(a)},u.set(a,o);let l=performance.now();return Promise.resolve().then(()=>r(n,t)).then(c=>{if(o.gone)return c?.end?.();o.view=c,n.dataset.loaded=String(Math.round(performance.now()-l))}).catch(c=>E(n,c)),o.end}}function E(e,r){let i=r?.sentence??"This file cannot be drawn; it can still be downloaded.";e.dataset.error=r?.message??String(r),e.replaceChildren(p("p",{className:"trouble",role:"alert",textContent:i}))}function b(e){return Object.assign(new Error(e),{sentence:e})}function p(e,r={},...i){let a=document.createElement(e);for(let[t,s]of Object.entries(r))t in a&&t!=="role"?a[t]=s:a.setAttribute(t,s);return a.append(...i),a}var m=8,f=64,F=w("film",async(e,r)=>{let i=x(),a=i.of(r.parts.get("film")),t=p("video",{controls:!r.small,loop:!0,muted:!0,playsInline:!0,preload:"auto"});if(t.setAttribute("aria-label",r.alt),await g(t,"loadeddata",()=>t.src=a),e.append(t),r.small){t.tabIndex=0;for(let d of["mouseenter","focus"])t.addEventListener(d,()=>t.play().catch(()=>{}));for(let d of["mouseleave","blur"])t.addEventListener(d,()=>t.pause());return{end:()=>y(t,i)}}let s=p("div",{className:"strip",role:"group"});return s.setAttribute("aria-label","Frames of the film"),e.append(s),Number.isFinite(t.duration)&&t.duration>0&&L(s,t,a).then(()=>e.dataset.strip="done",()=>s.remove()),e.append(p("span",{className:"note",textContent:A(t)})),{end:()=>y(t,i)}});async function L(e,r,i){let a=p("video",{muted:!0,preload:"auto"});await g(a,"loadeddata",()=>a.src=i);let t=Math.max(1,Math.round(f*a.videoWidth/a.videoHeight)),s=Array.from({length:m},(n,o)=>r.duration*(o+.5)/m),d=[];for(let n of s){await g(a,"seeked",()=>a.currentTime=n);let o=p("canvas",{width:t,height:f});o.getContext("2d").drawImage(a,0,0,t,f);let l=p("button",{type:"button"},o);l.setAttribute("aria-label",`Go to ${n.toFixed(1)} seconds`),l.addEventListener("click",()=>{r.pause(),r.currentTime=n}),e.append(l),d.push(l)}a.removeAttribute("src"),r.addEventListener("timeupdate",()=>{let n=Math.min(m-1,Math.floor(m*r.currentTime/r.duration));d.forEach((o,l)=>o.classList.toggle("now",l===n))})}function g(e,r,i){return new Promise((a,t)=>{let s="This film does not start: it may be damaged, or this machine is very busy. Open the page again, or download it.",d=setTimeout(()=>n(()=>t(b(s))),6e4),n=c=>{clearTimeout(d),e.removeEventListener(r,o),e.removeEventListener("error",l),c()},o=()=>n(a),l=()=>n(()=>t(b("This film cannot be played: it is damaged, or its format is unknown to this browser.")));e.addEventListener(r,o),e.addEventListener("error",l),i()})}function A(e){return`${e.videoWidth} \xD7 ${e.videoHeight} px, ${e.duration.toFixed(1)} s`}function y(e,r){e.pause(),e.removeAttribute("src"),e.load(),r.free()}export{F as default};
